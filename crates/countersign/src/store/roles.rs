//! Roles.

use super::api_keys::{list, permissions};
use super::authorization_servers::corrupt;
use super::keyset::{Page, limit};
use super::statement::statements;
use super::value::Row;
use super::{Session, StoreError, Tx};
use crate::api_keys::roles::Role;

statements! {
    INSERT = "INSERT INTO roles (name, description, permissions, version, created_at, updated_at) VALUES ($1, $2, $3, 1, $4, $4)";
    ALL_ROWS = "SELECT name, description, permissions, version, created_at, updated_at FROM roles ORDER BY name";
    FIND = "SELECT name, description, permissions, version, created_at, updated_at FROM roles WHERE name = $1";
    LOCK = "UPDATE roles SET version = version WHERE name = $1 RETURNING name, description, permissions, version, created_at, updated_at";
    PAGE = "SELECT name, description, permissions, version, created_at, updated_at FROM roles \
            WHERE (created_at, name) > ($1, $2) ORDER BY created_at, name LIMIT $3";
    UPDATE = "UPDATE roles SET description = $2, permissions = $3, updated_at = $4, version = version + 1 WHERE name = $1 RETURNING version";
    DELETE = "DELETE FROM roles WHERE name = $1";
}

impl Tx {
    pub(crate) async fn insert_role(&mut self, new: &Role) -> Result<(), StoreError> {
        let values =
            [new.name.as_str().into(), new.description.as_str().into(), list(&new.permissions)?.into(), new.created_at.into()];
        self.query(&INSERT, &values).await.map(drop)
    }

    /// The role as it stays until commit, unless this transaction changes it.
    pub(crate) async fn lock_role(&mut self, name: &str) -> Result<Option<Role>, StoreError> {
        self.query_optional(&LOCK, &[name.into()]).await?.map(read).transpose()
    }

    /// Writes the new state of a locked role; returns its version.
    pub(crate) async fn update_role(&mut self, new: &Role) -> Result<i64, StoreError> {
        let values =
            [new.name.as_str().into(), new.description.as_str().into(), list(&new.permissions)?.into(), new.updated_at.into()];
        let row = self.query_optional(&UPDATE, &values).await?;
        row.ok_or_else(|| StoreError::internal("the locked role is gone"))?.integer()
    }

    pub(crate) async fn delete_role(&mut self, name: &str) -> Result<(), StoreError> {
        self.query(&DELETE, &[name.into()]).await.map(drop)
    }
}

impl Session {
    pub(crate) async fn roles(&mut self) -> Result<Vec<Role>, StoreError> {
        self.query(&ALL_ROWS, &[]).await?.into_iter().map(read).collect()
    }

    pub(crate) async fn find_role(&mut self, name: &str) -> Result<Option<Role>, StoreError> {
        self.query_optional(&FIND, &[name.into()]).await?.map(read).transpose()
    }

    pub(crate) async fn roles_page(&mut self, page: &Page) -> Result<Vec<Role>, StoreError> {
        let values = [page.after_time.into(), page.after_id.as_str().into(), limit(page)?];
        self.query(&PAGE, &values).await?.into_iter().map(read).collect()
    }
}

fn read(mut row: Row) -> Result<Role, StoreError> {
    let name = row.text()?;
    Ok(Role {
        description: row.text()?,
        permissions: permissions(&row.text()?).ok_or_else(|| corrupt("roles", "permissions", &name))?,
        version: row.integer()?,
        created_at: row.time()?,
        updated_at: row.time()?,
        name,
    })
}
