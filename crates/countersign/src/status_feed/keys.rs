//! The key that signs a feed. It signs nothing else, and is published beside the feed alone.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use countersign_protocol::jose::{Algorithm, SigningKey, SigningKeyError};
use serde_json::json;

use super::FeedError;
use crate::app::App;
use crate::ids::{AuthorizationServerId, StatusFeedKeyId};
use crate::instance::hold_master_key;
use crate::store::StoreError;

/// A key as stored.
#[derive(Clone, Debug)]
pub struct StoredFeedKey {
    /// Its id, the `kid` of what it signs.
    pub id: StatusFeedKeyId,
    /// PKCS#8, sealed by the master key for this id.
    pub sealed_private_key: String,
}

/// A key that is ready to sign.
pub struct FeedKey {
    /// Its id.
    pub id: StatusFeedKeyId,
    /// The key.
    pub key: SigningKey,
    /// The JWK Set with its public half.
    pub document: Bytes,
}

impl FeedKey {
    /// The key of an authorization server; makes it if there is none.
    ///
    /// # Errors
    /// [`FeedError`].
    pub(super) async fn of(app: &App, server: &AuthorizationServerId) -> Result<Arc<Self>, FeedError> {
        if let Some(stored) = find(app, server).await? {
            return Self::open(app, &stored);
        }
        let made = make(app)?;
        let (master_key, of, now) = (app.master_key.clone(), server.clone(), app.clock.now());
        let stored = app.store.write(move |tx| {
            Box::pin(async move {
                let held = hold_master_key::<FeedError>(tx, &master_key).await?;
                tx.insert_status_feed_key(&held, &of, &made, now).await?;
                // Another node may have been first.
                Ok::<_, FeedError>(tx.status_feed_key(&of).await?)
            })
        });
        let stored = stored.await?.value.ok_or_else(|| StoreError::internal("the key of the status feed is gone"))?;
        Self::open(app, &stored)
    }

    fn open(app: &App, stored: &StoredFeedKey) -> Result<Arc<Self>, FeedError> {
        let pkcs8 = app.master_key.open(stored.id.as_str(), &stored.sealed_private_key)?;
        let key = SigningKey::from_pkcs8(Algorithm::EdDSA, &pkcs8)?;
        let document = json!({ "keys": [key.public_jwk(stored.id.as_str())] }).to_string().into();
        Ok(Arc::new(Self { id: stored.id.clone(), key, document }))
    }
}

impl fmt::Debug for FeedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn make(app: &App) -> Result<StoredFeedKey, FeedError> {
    let id = StatusFeedKeyId::generate(app.clock.now(), app.entropy.as_ref());
    let pkcs8 = SigningKey::generate(Algorithm::EdDSA).map_err(|_| SigningKeyError::Crypto)?;
    Ok(StoredFeedKey { sealed_private_key: app.master_key.seal(id.as_str(), &pkcs8)?, id })
}

async fn find(app: &App, server: &AuthorizationServerId) -> Result<Option<StoredFeedKey>, StoreError> {
    let server = server.clone();
    app.store.read(move |session| Box::pin(async move { session.status_feed_key(&server).await })).await
}
