//! Changing and deleting a key.

use countersign_protocol::{ClientId, Timestamp};
use serde_json::{Map, Value};

use super::create::{check_end, check_limits, check_lists};
use super::locked::{self, LockedKey, lock, not_found};
use super::{ApiKey, Permission, rights};
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, check_name};
use crate::clients::{check_external_id, check_metadata};
use crate::config::Network;
use crate::counters::{Credits, LimitRule};
use crate::ids::ApiKeyId;
use crate::management::lock_client;
use crate::store::Tx;

/// What to change of a key; `None` keeps.
#[derive(Clone, Debug, Default)]
pub struct ApiKeyPatch {
    /// See [`ApiKey::client_id`].
    pub client_id: Option<ClientId>,
    /// See [`ApiKey::name`].
    pub name: Option<String>,
    /// See [`ApiKey::external_id`]; `Some(None)` clears it.
    pub external_id: Option<Option<String>>,
    /// See [`ApiKey::metadata`]; replaces all of it.
    pub metadata: Option<Map<String, Value>>,
    /// See [`ApiKey::permissions`]; replaces all of them.
    pub permissions: Option<Vec<Permission>>,
    /// See [`ApiKey::roles`]; replaces all of them.
    pub roles: Option<Vec<String>>,
    /// See [`ApiKey::allowed_networks`]; replaces all of them.
    pub allowed_networks: Option<Vec<Network>>,
    /// See [`ApiKey::limits`]; replaces all of them.
    pub limits: Option<Vec<LimitRule>>,
    /// What its credits are from now on; `Some(None)`: they are not counted.
    pub credits: Option<Option<Credits>>,
    /// See [`ApiKey::expires_at`]; `Some(None)` clears it.
    pub expires_at: Option<Option<Timestamp>>,
}

impl ApiKeyPatch {
    /// Whether it changes nothing.
    pub const fn is_empty(&self) -> bool {
        let Self { client_id, name, external_id, metadata, permissions, roles, allowed_networks, limits, credits, expires_at } =
            self;
        let says_whose = client_id.is_some() || name.is_some() || external_id.is_some() || metadata.is_some();
        let says_what = permissions.is_some() || roles.is_some() || allowed_networks.is_some();
        !says_whose && !says_what && limits.is_none() && credits.is_none() && expires_at.is_none()
    }

    fn check(&self, now: Timestamp) -> Result<(), ChangeError> {
        self.name.as_deref().map_or(Ok(()), |name| check_name("name", name))?;
        self.external_id.as_ref().and_then(Option::as_deref).map_or(Ok(()), check_external_id)?;
        self.metadata.as_ref().map_or(Ok(()), check_metadata)?;
        check_end(self.expires_at.flatten(), now)?;
        check_limits("limits", self.limits.as_deref().unwrap_or_default())?;
        super::credits::check(self.credits.flatten().as_ref())?;
        Ok(check_lists(
            self.permissions.as_deref().unwrap_or_default(),
            self.roles.as_deref().unwrap_or_default(),
            self.allowed_networks.as_deref().unwrap_or_default(),
        )?)
    }

    fn apply(self, key: &mut ApiKey, now: Timestamp) -> String {
        let mut changed = Vec::new();
        set(&mut changed, "client_id", self.client_id, &mut key.client_id);
        set(&mut changed, "name", self.name, &mut key.name);
        set(&mut changed, "external_id", self.external_id, &mut key.external_id);
        set(&mut changed, "metadata", self.metadata, &mut key.metadata);
        set(&mut changed, "permissions", self.permissions, &mut key.permissions);
        set(&mut changed, "roles", self.roles, &mut key.roles);
        set(&mut changed, "allowed_networks", self.allowed_networks, &mut key.allowed_networks);
        set(&mut changed, "limits", self.limits, &mut key.limits);
        let credits = self.credits.map(|credits| credits.map(|credits| credits.stored(now)));
        set(&mut changed, "credits", credits, &mut key.credits);
        set(&mut changed, "expires_at", self.expires_at, &mut key.expires_at);
        changed.join(" ")
    }
}

fn set<T>(changed: &mut Vec<&'static str>, name: &'static str, given: Option<T>, place: &mut T) {
    if let Some(given) = given {
        *place = given;
        changed.push(name);
    }
}

/// Changes a key, if it still has the version `if_version`.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`], [`ChangeError::State`] for a
/// revoked key, [`ChangeError::VersionMismatch`], [`ChangeError::ExceedsCaller`].
pub async fn update(
    app: &App,
    by: &Actor,
    id: &ApiKeyId,
    patch: ApiKeyPatch,
    if_version: Option<i64>,
) -> Result<ApiKey, ChangeError> {
    let now = app.clock.now();
    patch.check(now)?;
    let event = by.event("api_key.updated", "api_key", id.as_str());
    let (by, id) = (by.clone(), id.clone());
    app.write(move |tx| {
        Box::pin(async move {
            let LockedKey { mut key, client } = lock_with(tx, &by, &id, patch.client_id.as_ref()).await?;
            ChangeError::check_version(if_version, key.version)?;
            if key.revoked_at.is_some() {
                return Err(ChangeError::State("the key is revoked: it is not changed any more".to_owned()));
            }
            let credits = patch.credits;
            let changed = patch.apply(&mut key, now);
            rights::check(tx, &client, &key.resource_server_id, &key.permissions, &key.roles).await?;
            key.updated_at = now;
            key.version = tx.update_api_key(&key).await?.ok_or_else(|| not_found(&id))?;
            if let Some(credits) = credits {
                super::credits::set(tx, &id, credits, now).await?;
            }
            tx.record_event(event.with_detail("changed", changed).in_organization(client.client.owner()), now);
            locked::record_change(tx, &key, now);
            Ok(key)
        })
    })
    .await
}

/// Locks a key, and the client that it is to belong to; that one comes back.
async fn lock_with(tx: &mut Tx, by: &Actor, id: &ApiKeyId, to: Option<&ClientId>) -> Result<LockedKey, ChangeError> {
    let Some(to) = to else { return lock(tx, by, id).await };
    let owner = tx.owner_of_api_key(id).await?.ok_or_else(|| not_found(id))?;
    // In one order for everybody: of two moves, neither waits for the other.
    let (key, client) = if *to < owner {
        let client = lock_client(tx, by, to).await?;
        (lock(tx, by, id).await?.key, client)
    } else {
        let key = lock(tx, by, id).await?.key;
        (key, lock_client(tx, by, to).await?)
    };
    Ok(LockedKey { key, client })
}

/// Deletes a key with its secrets and what is counted of it.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::VersionMismatch`], [`ChangeError::ExceedsCaller`].
pub async fn delete(app: &App, by: &Actor, id: &ApiKeyId, if_version: Option<i64>) -> Result<(), ChangeError> {
    let now = app.clock.now();
    let event = by.event("api_key.deleted", "api_key", id.as_str());
    let (by, id) = (by.clone(), id.clone());
    app.write(move |tx| {
        Box::pin(async move {
            let LockedKey { key, client } = lock(tx, &by, &id).await?;
            ChangeError::check_version(if_version, key.version)?;
            tx.delete_api_key(&id).await?;
            let event = event.with_detail("client_id", key.client_id.as_str()).with_detail("name", key.name.as_str());
            tx.record_event(event.in_organization(client.client.owner()), now);
            locked::record_change(tx, &key, now);
            Ok(())
        })
    })
    .await
}
