//! Keys under which another system made HMACs of its API keys: registered by the
//! operator, sealed by the master key, never shown again.

use countersign_protocol::{Secret, Timestamp};

use super::imported_hash::{DigestAlgorithm, Form, KeyPart};
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, InvalidField, check_name};
use crate::ids::ImportKeyId;
use crate::instance::hold_master_key;
use crate::store::{ChangeKind, StoreError};

/// Shortest and longest key, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=1_024;

/// What is shown of an import key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportKey {
    /// Its id.
    pub id: ImportKeyId,
    /// For people.
    pub name: String,
    /// When it was registered.
    pub created_at: Timestamp,
}

impl ImportKey {
    /// It never changes.
    pub(crate) const VERSION: i64 = 1;
}

/// Registers the key of HMACs that are about to be imported.
///
/// # Errors
/// [`ChangeError::Invalid`].
pub async fn create_import_key(app: &App, by: &Actor, name: String, key: Secret<Vec<u8>>) -> Result<ImportKey, ChangeError> {
    check_name("name", &name)?;
    let length = key.expose().len();
    if !KEY_BYTES.contains(&length) {
        return Err(InvalidField::new("key", format!("{length} bytes"), "16 to 1024 bytes, base64url without padding").into());
    }
    let now = app.clock.now();
    let made = ImportKey { id: ImportKeyId::generate(now, app.entropy.as_ref()), name, created_at: now };
    let sealed = app.master_key.seal(made.id.as_str(), &key)?;
    let event = by.event("import_key.created", "import_key", made.id.as_str()).with_detail("name", made.name.as_str());
    let (stored, master_key) = (made.clone(), app.master_key.clone());
    app.write(move |tx| {
        Box::pin(async move {
            let held = hold_master_key::<ChangeError>(tx, &master_key).await?;
            tx.insert_import_key(&held, &stored, &sealed).await?;
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, stored.id.as_str(), now);
            Ok(())
        })
    })
    .await
    .map(|()| made)
}

/// The import keys, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list_import_keys(app: &App) -> Result<Vec<ImportKey>, StoreError> {
    let rows = app.store.read(|session| Box::pin(async move { session.import_keys().await }));
    Ok(rows.await?.into_iter().map(|(key, _)| key).collect())
}

/// Deletes an import key under which no API key waits to be used for the first time.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::State`] while one does,
/// [`ChangeError::VersionMismatch`].
pub async fn delete_import_key(app: &App, by: &Actor, id: &ImportKeyId, if_version: Option<i64>) -> Result<(), ChangeError> {
    let now = app.clock.now();
    let event = by.event("import_key.deleted", "import_key", id.as_str());
    let id = id.clone();
    let written = app.write(move |tx| {
        Box::pin(async move {
            if !tx.delete_import_key(&id, forms_of(&id)).await? {
                return Err(ChangeError::NotFound { kind: "import key", id: id.to_string() });
            }
            ChangeError::check_version(if_version, ImportKey::VERSION)?;
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, id.as_str(), now);
            Ok(())
        })
    });
    written.await.map_err(|error| {
        if matches!(error, ChangeError::Store(StoreError::ReferenceGone)) {
            return ChangeError::State("API keys that were hashed under it were not used yet: without it they are dead".to_owned());
        }
        error
    })
}

fn forms_of(id: &ImportKeyId) -> [String; 4] {
    let of = |algorithm, part| Form::Hmac(algorithm, id.clone(), part).to_stored();
    [
        of(DigestAlgorithm::Sha256, KeyPart::Whole),
        of(DigestAlgorithm::Sha256, KeyPart::Long),
        of(DigestAlgorithm::Sha512, KeyPart::Whole),
        of(DigestAlgorithm::Sha512, KeyPart::Long),
    ]
}
