//! Organizations.

use countersign_protocol::Timestamp;

use super::keyset::{Page, limit};
use super::statement::statements;
use super::value::Row;
use super::{Session, StoreError, Tx};
use crate::ids::OrganizationId;
use crate::organizations::Organization;

statements! {
    INSERT = "INSERT INTO organizations (id, name, version, created_at, updated_at) VALUES ($1, $2, 1, $3, $3)";
    FIND = "SELECT id, name, version, created_at, updated_at FROM organizations WHERE id = $1";
    PAGE = "SELECT id, name, version, created_at, updated_at FROM organizations \
            WHERE (created_at, id) > ($1, $2) ORDER BY created_at, id LIMIT $3";
    // Locks the row until commit.
    TOUCH = "UPDATE organizations SET updated_at = $2 WHERE id = $1 RETURNING id, name, version, created_at, updated_at";
    UPDATE = "UPDATE organizations SET name = $2, version = version + 1 WHERE id = $1 RETURNING version";
    DELETE = "DELETE FROM organizations WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM clients WHERE organization_id = $1) RETURNING id";
}

impl Tx {
    pub(crate) async fn insert_organization(&mut self, new: &Organization) -> Result<(), StoreError> {
        self.query(&INSERT, &[new.id.as_str().into(), new.name.as_str().into(), new.created_at.into()]).await.map(drop)
    }

    /// The organization, locked until commit.
    pub(crate) async fn touch_organization(
        &mut self,
        id: &OrganizationId,
        at: Timestamp,
    ) -> Result<Option<Organization>, StoreError> {
        self.query_optional(&TOUCH, &[id.as_str().into(), at.into()]).await?.map(read).transpose()
    }

    /// Writes the new state of a row that is locked; returns its version.
    pub(crate) async fn update_organization(&mut self, new: &Organization) -> Result<i64, StoreError> {
        let row = self.query_optional(&UPDATE, &[new.id.as_str().into(), new.name.as_str().into()]).await?;
        row.ok_or_else(|| StoreError::internal("the locked organization is gone"))?.integer()
    }

    /// Whether it existed and no client belonged to it.
    pub(crate) async fn delete_organization(&mut self, id: &OrganizationId) -> Result<bool, StoreError> {
        Ok(self.query_optional(&DELETE, &[id.as_str().into()]).await?.is_some())
    }
}

impl Session {
    pub(crate) async fn find_organization(&mut self, id: &OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.query_optional(&FIND, &[id.as_str().into()]).await?.map(read).transpose()
    }

    pub(crate) async fn organizations_page(&mut self, page: &Page) -> Result<Vec<Organization>, StoreError> {
        let values = [page.after_time.into(), page.after_id.as_str().into(), limit(page)?];
        self.query(&PAGE, &values).await?.into_iter().map(read).collect()
    }
}

fn read(mut row: Row) -> Result<Organization, StoreError> {
    Ok(Organization {
        id: OrganizationId::from_stored(&row.text()?),
        name: row.text()?,
        version: row.integer()?,
        created_at: row.time()?,
        updated_at: row.time()?,
    })
}
