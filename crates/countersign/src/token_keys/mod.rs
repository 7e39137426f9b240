//! Token keys: opaque tokens are their claims, sealed under one of them.

mod key;
mod rotate;
mod schedule;

use std::sync::Arc;

use countersign_protocol::{Secret, Timestamp};

use crate::audit::Actor;
use crate::entropy::{Entropy, random};
use crate::ids::{AuthorizationServerId, TokenKeyId};
use crate::instance::hold_master_key;
use crate::sealing::{MasterKey, SealingError};
use crate::store::{Store, StoreError};

pub use key::{TOKEN_PREFIX, TokenKey};
pub use rotate::{RotatedTokenKey, TokenKeyState, list, replace_compromised, rotate};
pub use schedule::apply_due;

/// A token key as stored.
#[derive(Clone, Debug)]
pub struct StoredTokenKey {
    /// Its id.
    pub id: TokenKeyId,
    /// The id of the key before it; empty for the first.
    pub follows: String,
    /// 32 bytes, sealed by the master key for this id; empty once it is destroyed.
    pub sealed_key: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it seals new tokens.
    pub seals_from: Timestamp,
}

/// The keys that are not destroyed, ready for use.
#[derive(Debug, Default)]
pub struct TokenKeys {
    oldest_first: Vec<Arc<TokenKey>>,
}

impl TokenKeys {
    /// Opens the stored keys. Those that `before` holds are taken from there: they
    /// know how much they have sealed.
    ///
    /// # Errors
    /// The id of the key that does not open, and why.
    pub fn open(stored: &[StoredTokenKey], master_key: &MasterKey, before: &Self) -> Result<Self, (TokenKeyId, SealingError)> {
        let open = |stored: &StoredTokenKey| {
            if let Some(key) = before.oldest_first.iter().find(|key| *key.id() == stored.id) {
                return Ok(Arc::clone(key));
            }
            let bytes = master_key.open(stored.id.as_str(), &stored.sealed_key);
            let key = bytes.and_then(|bytes| TokenKey::new(stored.id.clone(), stored.seals_from, &bytes));
            key.map(Arc::new).map_err(|source| (stored.id.clone(), source))
        };
        let mut oldest_first: Vec<_> = stored.iter().map(open).collect::<Result<_, _>>()?;
        oldest_first.sort_by_key(|key| key.seals_from());
        Ok(Self { oldest_first })
    }

    /// The key that seals new tokens at `now`. By a clock that is behind, the only key may
    /// seem to wait.
    pub fn active(&self, now: Timestamp) -> Option<&Arc<TokenKey>> {
        self.oldest_first.iter().rev().find(|key| key.seals_from() <= now).or_else(|| self.oldest_first.first())
    }

    /// A key that is not destroyed.
    pub fn find(&self, id: &TokenKeyId) -> Option<&Arc<TokenKey>> {
        self.oldest_first.iter().find(|key| key.id() == id)
    }

    /// The key that sealed a token, and the claims, if it is one of `server`.
    pub fn read(&self, server: &AuthorizationServerId, token: &str) -> Option<(&TokenKeyId, Vec<u8>)> {
        let opened = |key| TokenKey::open(key, server, token).ok();
        self.oldest_first.iter().rev().find_map(|key| Some((key.id(), opened(key)?)))
    }
}

/// Makes the first key of a database that has none.
///
/// # Errors
/// [`StoreError`], [`SealingError`].
pub(crate) async fn prepare<E>(store: &Store, master_key: &MasterKey, now: Timestamp, entropy: &dyn Entropy) -> Result<(), E>
where
    E: From<StoreError> + From<SealingError> + Send + 'static,
{
    let keys = store.read(|session| Box::pin(async move { session.token_keys().await }));
    if !keys.await.map_err(|error: StoreError| error)?.is_empty() {
        return Ok(());
    }
    let key = make(master_key, "", now, now, entropy)?;
    let event = Actor::system("start").event("token_key.created", "token_key", key.id.as_str());
    let master_key = master_key.clone();
    let written = store.write(move |tx| {
        Box::pin(async move {
            let held = hold_master_key::<FirstKeyError>(tx, &master_key).await?;
            tx.insert_token_key(&held, &key).await?;
            tx.record_event(event, now);
            Ok(())
        })
    });
    match written.await {
        // Another node was first, or the master key is being replaced: the schedule
        // makes the key then.
        Ok(_) | Err(FirstKeyError::Store(StoreError::UniqueViolation) | FirstKeyError::Sealing(SealingError::OtherMasterKey)) => {
            Ok(())
        }
        Err(FirstKeyError::Store(error)) => Err(error.into()),
        Err(FirstKeyError::Sealing(error)) => Err(error.into()),
    }
}

#[derive(Debug, thiserror::Error)]
enum FirstKeyError {
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn make(
    master_key: &MasterKey,
    follows: &str,
    now: Timestamp,
    seals_from: Timestamp,
    entropy: &dyn Entropy,
) -> Result<StoredTokenKey, SealingError> {
    let id = TokenKeyId::generate(now, entropy);
    let sealed_key = master_key.seal(id.as_str(), &Secret::new(random::<32>(entropy).to_vec()))?;
    Ok(StoredTokenKey { id, follows: follows.to_owned(), sealed_key, created_at: now, seals_from })
}
