//! The key that was presented: one that we made, or one that was imported.

use std::net::IpAddr;
use std::sync::Arc;

use countersign_protocol::CredentialText;

use super::imported::find_imported;
use super::slow_hashes::TooManyHashes;
use super::{ApiKey, ApiKeyHash, ApiKeySecret};
use crate::app::App;
use crate::catalog::Catalog;
use crate::limits::Exhausted;
use crate::store::StoreError;

/// A key and which of its secrets was presented.
#[derive(Clone, Debug)]
pub struct FoundKey {
    /// The key.
    pub key: Arc<ApiKey>,
    /// The secret's id.
    pub secret_id: String,
}

/// Why a key was not looked for to the end: nothing is known of it.
#[derive(Debug, thiserror::Error)]
pub enum FindKeyError {
    /// Too many salted hashes are compared.
    #[error(transparent)]
    Busy(#[from] TooManyHashes),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This address presented too many keys that a salted hash did not match.
    #[error(transparent)]
    TooManyFailures(Exhausted),
}

impl FoundKey {
    /// The secret that was presented; `None` for one that is gone meanwhile.
    pub(super) fn secret(&self) -> Option<&ApiKeySecret> {
        self.key.secrets.iter().find(|secret| secret.id == self.secret_id)
    }
}

/// Finds the key with this text, whatever its state. `source` is whose failures at salted
/// hashes are counted, if anybody's.
///
/// # Errors
/// [`FindKeyError`].
pub async fn find_presented(app: &App, text: &str, source: Option<IpAddr>) -> Result<Option<FoundKey>, FindKeyError> {
    if let Ok(presented) = CredentialText::parse(text)
        && let Some(key) = app.find_api_key(presented.id()).await?
    {
        let secret_id = proven(&app.catalog(), &key, &presented).map(|secret| secret.id.clone());
        return Ok(secret_id.map(|secret_id| FoundKey { key, secret_id }));
    }
    // On the heap: most keys are ours.
    Box::pin(find_imported(app, text, source)).await
}

/// The same for a key of ours whose secret is in memory; the store is not asked.
pub(crate) fn find_presented_in_memory(app: &App, text: &str) -> Option<FoundKey> {
    let presented = CredentialText::parse(text).ok()?;
    let key = app.find_api_key_in_memory(presented.id())?;
    let secret_id = proven(&app.catalog(), &key, &presented)?.id.clone();
    Some(FoundKey { key, secret_id })
}

/// The secret that was presented. The work is the same whether or not there is one.
fn proven<'k>(catalog: &Catalog, key: &'k ApiKey, presented: &CredentialText) -> Option<&'k ApiKeySecret> {
    let secret = key.secrets.iter().find(|secret| secret.lookup == presented.id())?;
    let ApiKeyHash::Keyed { hash_key_id, hash } = &secret.hash else { return None };
    let hasher = catalog.hashers.find(hash_key_id)?;
    hasher.hash(presented.expose()).equals(hash).then_some(secret)
}
