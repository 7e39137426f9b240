//! Permissions that have a name and a description.

use super::authorization_servers::corrupt;
use super::keyset::{Page, limit};
use super::statement::statements;
use super::value::Row;
use super::{Session, StoreError, Tx};
use crate::api_keys::Permission;
use crate::api_keys::permissions::DescribedPermission;

statements! {
    INSERT = "INSERT INTO described_permissions (slug, name, description, created_at) VALUES ($1, $2, $3, $4)";
    FIND = "SELECT slug, name, description, created_at FROM described_permissions WHERE slug = $1";
    PAGE = "SELECT slug, name, description, created_at FROM described_permissions WHERE (created_at, slug) > ($1, $2) \
            ORDER BY created_at, slug LIMIT $3";
    DELETE = "DELETE FROM described_permissions WHERE slug = $1 RETURNING slug";
    // Names are of characters that JSON does not escape.
    ANY_KEY_WITH = "SELECT id FROM api_keys WHERE permissions LIKE $1 ESCAPE '\\' AND revoked_at IS NULL LIMIT 1";
    ANY_ROLE_WITH = "SELECT name FROM roles WHERE permissions LIKE $1 ESCAPE '\\' LIMIT 1";
}

impl Tx {
    pub(crate) async fn insert_described_permission(&mut self, new: &DescribedPermission) -> Result<(), StoreError> {
        let values = [new.slug.as_str().into(), new.name.as_str().into(), new.description.as_str().into(), new.created_at.into()];
        self.query(&INSERT, &values).await.map(drop)
    }

    /// Whether there was one.
    pub(crate) async fn delete_described_permission(&mut self, slug: &str) -> Result<bool, StoreError> {
        Ok(self.query_optional(&DELETE, &[slug.into()]).await?.is_some())
    }

    /// Whether a key or a role has this very permission.
    pub(crate) async fn is_permission_in_use(&mut self, slug: &str) -> Result<bool, StoreError> {
        let pattern = format!("%\"{}\"%", slug.replace('_', "\\_"));
        for statement in [&ANY_ROLE_WITH, &ANY_KEY_WITH] {
            if self.query_optional(statement, &[pattern.as_str().into()]).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Session {
    pub(crate) async fn find_described_permission(&mut self, slug: &str) -> Result<Option<DescribedPermission>, StoreError> {
        self.query_optional(&FIND, &[slug.into()]).await?.map(read).transpose()
    }

    pub(crate) async fn described_permissions_page(&mut self, page: &Page) -> Result<Vec<DescribedPermission>, StoreError> {
        let values = [page.after_time.into(), page.after_id.as_str().into(), limit(page)?];
        self.query(&PAGE, &values).await?.into_iter().map(read).collect()
    }
}

fn read(mut row: Row) -> Result<DescribedPermission, StoreError> {
    let slug = row.text()?;
    Ok(DescribedPermission {
        name: row.text()?,
        description: row.text()?,
        created_at: row.time()?,
        slug: Permission::parse(&slug).map_err(|_| corrupt("described_permissions", "slug", &slug))?,
    })
}
