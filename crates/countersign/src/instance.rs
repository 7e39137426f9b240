//! What every database has from its first start: a check of the master key and
//! a hash key.

use countersign_protocol::{Secret, Timestamp};

use crate::entropy::{Entropy, random};
use crate::ids::HashKeyId;
use crate::sealing::{MasterKey, SealingError};
use crate::store::{Store, StoreError, Tx};

/// The fact that tells the right master key from a wrong one.
pub(crate) const KEY_CHECK: &str = "master_key_check";
const KEY_CHECK_PLAIN: &[u8] = b"countersign";

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// Sealing failed.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key check value does not open.
    #[error("the master key is not the one this database was set up with")]
    WrongMasterKey,
}

/// Checks the master key against the database, or sets an empty database up.
pub(crate) async fn prepare(
    store: &Store,
    master_key: &MasterKey,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<(), InstanceError> {
    let find = || store.read(|session| Box::pin(async move { session.find_fact(KEY_CHECK).await }));
    if let Some(sealed) = find().await? {
        return check(master_key, &sealed);
    }
    let sealed_check = master_key.seal(KEY_CHECK, &Secret::new(KEY_CHECK_PLAIN.to_vec()))?;
    let hash_key_id = HashKeyId::generate(now, entropy);
    let hash_key = Secret::new(random::<32>(entropy).to_vec());
    let sealed_hash_key = master_key.seal(hash_key_id.as_str(), &hash_key)?;
    let written = store.write(move |tx| {
        Box::pin(async move {
            tx.insert_fact(KEY_CHECK, &sealed_check).await?;
            tx.insert_hash_key(&hash_key_id, &sealed_hash_key, now).await
        })
    });
    match written.await {
        Ok(_) => Ok(()),
        // Another node was first: its master key counts.
        Err(StoreError::UniqueViolation) => check(master_key, &find().await?.unwrap_or_default()),
        Err(error) => Err(error.into()),
    }
}

/// Says that the database's master key is this process's until the commit:
/// whatever it seals in this transaction can be opened by every node.
pub(crate) struct HeldMasterKey(());

/// Keeps the database's master key from being replaced until the commit. Comes
/// first in a transaction, so that two of them never wait for each other.
///
/// # Errors
/// [`SealingError::OtherMasterKey`] when it has been replaced.
pub(crate) async fn hold_master_key<E>(tx: &mut Tx, master_key: &MasterKey) -> Result<HeldMasterKey, E>
where
    E: From<StoreError> + From<SealingError>,
{
    let check = tx.hold_fact(KEY_CHECK).await?.unwrap_or_default();
    if master_key.has_sealed(KEY_CHECK, &check) { Ok(HeldMasterKey(())) } else { Err(SealingError::OtherMasterKey.into()) }
}

fn check(master_key: &MasterKey, sealed: &str) -> Result<(), InstanceError> {
    match master_key.open(KEY_CHECK, sealed) {
        Ok(plain) if plain.expose() == KEY_CHECK_PLAIN => Ok(()),
        Ok(_) | Err(_) => Err(InstanceError::WrongMasterKey),
    }
}
