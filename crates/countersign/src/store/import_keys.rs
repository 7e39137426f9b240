//! The keys under which another system made HMACs of its API keys.

use countersign_protocol::Timestamp;

use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::api_keys::ImportKey;
use crate::ids::ImportKeyId;
use crate::instance::HeldMasterKey;

statements! {
    INSERT = "INSERT INTO import_keys (id, name, sealed_key, created_at) VALUES ($1, $2, $3, $4)";
    ALL_ROWS = "SELECT id, name, sealed_key, created_at FROM import_keys ORDER BY created_at, id";
    DELETE_FORMS = "DELETE FROM import_forms WHERE form IN ($1, $2, $3, $4)";
    DELETE = "DELETE FROM import_keys WHERE id = $1 RETURNING id";
    INSERT_FORM = "INSERT INTO import_forms (form, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING form";
    FORMS = "SELECT form FROM import_forms ORDER BY form";
}

impl Tx {
    /// Stores a new key, while the master key that sealed it is held.
    pub(crate) async fn insert_import_key(
        &mut self,
        _held: &HeldMasterKey,
        key: &ImportKey,
        sealed: &str,
    ) -> Result<(), StoreError> {
        let values = [key.id.as_str().into(), key.name.as_str().into(), sealed.into(), key.created_at.into()];
        self.query(&INSERT, &values).await.map(drop)
    }

    /// Deletes a key under which nothing is compared any more, and the forms that it makes;
    /// whether it was there. [`StoreError::ReferenceGone`]: something still is.
    pub(crate) async fn delete_import_key(&mut self, id: &ImportKeyId, forms: [String; 4]) -> Result<bool, StoreError> {
        let deleted = self.query_optional(&DELETE, &[id.as_str().into()]).await?.is_some();
        self.query(&DELETE_FORMS, &forms.map(Into::into)).await?;
        Ok(deleted)
    }

    /// Whether the form was in use by nothing until now.
    pub(crate) async fn use_import_form(&mut self, form: &str, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.query_optional(&INSERT_FORM, &[form.into(), at.into()]).await?.is_some())
    }
}

impl Session {
    /// Every import key with its sealed text, oldest first.
    pub(crate) async fn import_keys(&mut self) -> Result<Vec<(ImportKey, String)>, StoreError> {
        let rows = self.query(&ALL_ROWS, &[]).await?;
        rows.into_iter()
            .map(|mut row| {
                let (id, name, sealed) = (ImportKeyId::from_stored(&row.text()?), row.text()?, row.text()?);
                Ok((ImportKey { id, name, created_at: row.time()? }, sealed))
            })
            .collect()
    }

    /// The forms in use.
    pub(crate) async fn import_forms(&mut self) -> Result<Vec<String>, StoreError> {
        let rows = self.query(&FORMS, &[]).await?;
        rows.into_iter().map(|mut row| row.text()).collect()
    }
}
