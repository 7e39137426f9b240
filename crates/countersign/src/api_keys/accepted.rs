//! A key that is in force, for who acts on it beyond a verdict: nothing is counted here.

use std::net::IpAddr;
use std::sync::Arc;

use countersign_protocol::Timestamp;

use super::verify::{effective, is_accepted_from, standing};
use super::{ApiKey, ApiKeySecret, FoundKey, Permission, VerdictCode};
use crate::app::App;
use crate::clients::Client;
use crate::ids::ApiKeyId;
use crate::store::StoreError;

/// A key and the secret of it that was presented, both in force, with whose it is and
/// what it may do.
#[derive(Clone, Debug)]
pub struct AcceptedKey {
    found: FoundKey,
    client: Arc<Client>,
    permissions: Vec<Permission>,
}

impl AcceptedKey {
    /// Looks whether a key that was found is in force; else why it is not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn of(app: &App, found: FoundKey) -> Result<Result<Self, VerdictCode>, StoreError> {
        let Some(client) = app.find_client(&found.key.client_id).await? else { return Ok(Err(VerdictCode::NotFound)) };
        let Some(secret) = found.secret() else { return Ok(Err(VerdictCode::NotFound)) };
        if let Err(code) = standing(&client, &found.key, secret, app.clock.now()) {
            return Ok(Err(code));
        }
        let permissions = effective(&app.catalog(), &client, &found.key);
        Ok(Ok(Self { found, client, permissions }))
    }

    /// The same for a key and a secret that were found before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn again(app: &App, key: &ApiKeyId, secret_id: &str) -> Result<Result<Self, VerdictCode>, StoreError> {
        match app.find_api_key_by_id(key).await? {
            Some(key) => Self::of(app, FoundKey { key, secret_id: secret_id.to_owned() }).await,
            None => Ok(Err(VerdictCode::NotFound)),
        }
    }

    /// What was found.
    pub(crate) const fn found(&self) -> &FoundKey {
        &self.found
    }

    /// The key.
    pub fn key(&self) -> &ApiKey {
        &self.found.key
    }

    /// The client that it is a key of.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The secret of it that was presented.
    pub fn secret_id(&self) -> &str {
        &self.found.secret_id
    }

    /// Whether the key may do this, by itself or by its roles.
    pub fn may(&self, permission: &str) -> bool {
        self.permissions.iter().any(|own| own.covers(permission))
    }

    /// Whether it is accepted from this address.
    pub fn is_accepted_from(&self, address: Option<IpAddr>) -> bool {
        is_accepted_from(&self.client, self.key(), address)
    }

    /// When the key or the secret that was presented ends, whichever is first.
    pub fn ends_at(&self) -> Option<Timestamp> {
        let of_secret = self.found.secret().and_then(|secret: &ApiKeySecret| secret.expires_at);
        [self.key().expires_at, of_secret].into_iter().flatten().min()
    }

    /// Whether nothing has changed about it since `before`, as this node has heard.
    pub(crate) fn is_unchanged_since(&self, before: &Self) -> bool {
        Arc::ptr_eq(&self.found.key, &before.found.key)
            && Arc::ptr_eq(&self.client, &before.client)
            && (&self.found.secret_id, &self.permissions) == (&before.found.secret_id, &before.permissions)
    }
}
