//! A key that is about to be changed.

use countersign_protocol::Timestamp;

use super::ApiKey;
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::ids::ApiKeyId;
use crate::management::{LockedClient, lock_client};
use crate::revocation::{self, Marked, StandingMarks};
use crate::store::{ChangeKind, StoreError, Tx};

/// A key that nobody else changes before the transaction ends.
pub(super) struct LockedKey {
    pub(super) key: ApiKey,
    pub(super) client: LockedClient,
}

/// Locks a key, by its client. Every change of a key begins here.
///
/// # Errors
/// [`ChangeError::NotFound`], also for a key of another organization than the maker's;
/// [`ChangeError::ExceedsCaller`].
pub(super) async fn lock(tx: &mut Tx, by: &Actor, id: &ApiKeyId) -> Result<LockedKey, ChangeError> {
    let owner = tx.owner_of_api_key(id).await?.ok_or_else(|| not_found(id))?;
    let client = lock_client(tx, by, &owner).await;
    let client = client.map_err(|error| if matches!(error, ChangeError::NotFound { .. }) { not_found(id) } else { error })?;
    let key = tx.find_api_key(id).await?.ok_or_else(|| not_found(id))?;
    client.authority.check_permissions(&key.resource_server_id, &key.permissions)?;
    Ok(LockedKey { key, client })
}

/// Every node forgets the key, by whichever name it knows it.
pub(super) fn record_change(tx: &mut Tx, key: &ApiKey, at: Timestamp) {
    tx.record_change(ChangeKind::ApiKey, key.id.as_str(), at);
    for secret in &key.secrets {
        tx.record_change(ChangeKind::ApiKey, &secret.lookup, at);
    }
}

/// Revokes every token that was obtained with the key until now.
pub(super) async fn mark(tx: &mut Tx, key: &ApiKey, now: Timestamp) -> Result<StandingMarks, StoreError> {
    let marked = Marked::Credential(key.id.as_credential());
    let not_before = revocation::mark(tx, &marked, now).await?;
    Ok(vec![(marked, not_before)])
}

pub(super) fn not_found(id: &ApiKeyId) -> ChangeError {
    ChangeError::NotFound { kind: "API key", id: id.to_string() }
}
