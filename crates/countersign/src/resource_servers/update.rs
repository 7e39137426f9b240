//! Changing and deleting a resource server. Its audience stays: tokens that are out
//! name it, and so do the APIs that verify them.

use countersign_protocol::jose::Algorithm;

use super::list::{find, not_found};
use super::{Profile, ResourceServer, ScopeDefinition, TokenFormat, check_scopes, missing_keys};
use crate::api_keys::EVERY_KEY;
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, check_lifetime, check_name};
use crate::ids::ResourceServerId;
use crate::instance::hold_master_key;
use crate::management::resource_server_id;
use crate::signing_keys::{StoredSigningKey, hold_active};
use crate::store::{ChangeKind, StoreError, Tx};

/// What of a resource server is to change; `None` keeps.
#[derive(Clone, Debug, Default)]
pub struct ResourceServerPatch {
    /// See [`ResourceServer::name`].
    pub name: Option<String>,
    /// See [`ResourceServer::profile`].
    pub profile: Option<Profile>,
    /// See [`ResourceServer::signing_alg`]; `Some(None)`: as the authorization server says.
    pub signing_alg: Option<Option<Algorithm>>,
    /// See [`ResourceServer::token_format`].
    pub token_format: Option<TokenFormat>,
    /// See [`ResourceServer::reuse_live_tokens`].
    pub reuse_live_tokens: Option<bool>,
    /// See [`ResourceServer::token_lifetime_seconds`].
    pub token_lifetime_seconds: Option<i64>,
    /// See [`ResourceServer::scopes`]; replaces all of them.
    pub scopes: Option<Vec<ScopeDefinition>>,
}

impl ResourceServerPatch {
    fn checked(self) -> Result<Self, ChangeError> {
        if let Some(name) = &self.name {
            check_name("name", name)?;
        }
        if let Some(scopes) = &self.scopes {
            check_scopes(scopes)?;
        }
        Ok(Self { token_lifetime_seconds: self.token_lifetime_seconds.map(check_lifetime).transpose()?, ..self })
    }

    fn apply(self, to: ResourceServer) -> ResourceServer {
        ResourceServer {
            name: self.name.unwrap_or(to.name),
            profile: self.profile.unwrap_or(to.profile),
            signing_alg: self.signing_alg.unwrap_or(to.signing_alg),
            token_format: self.token_format.unwrap_or(to.token_format),
            reuse_live_tokens: self.reuse_live_tokens.unwrap_or(to.reuse_live_tokens),
            token_lifetime_seconds: self.token_lifetime_seconds.unwrap_or(to.token_lifetime_seconds),
            scopes: self.scopes.unwrap_or(to.scopes),
            ..to
        }
    }
}

/// Changes a resource server, if it still has the version `if_version`; makes signing
/// keys for its algorithm if its authorization server has none yet.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`], [`ChangeError::State`] for the
/// management API's and when a grant names a scope that would go, and
/// [`ChangeError::VersionMismatch`].
pub async fn update(
    app: &App,
    by: &Actor,
    id: &ResourceServerId,
    patch: ResourceServerPatch,
    if_version: Option<i64>,
) -> Result<ResourceServer, ChangeError> {
    check_not_management(id)?;
    let patch = patch.checked()?;
    let keys = match patch.signing_alg.flatten() {
        Some(algorithm) => missing_keys(app, &find(app, id).await?.authorization_server_id, Some(algorithm)).await?,
        None => Vec::new(),
    };
    let brings_keys = !keys.is_empty();
    match write(app, by, id, patch.clone(), if_version, keys).await {
        // The keys may be there by now: another resource server brought them.
        Err(ChangeError::Store(StoreError::UniqueViolation)) if brings_keys => {
            write(app, by, id, patch, if_version, Vec::new()).await
        }
        written => written,
    }
}

async fn write(
    app: &App,
    by: &Actor,
    id: &ResourceServerId,
    patch: ResourceServerPatch,
    if_version: Option<i64>,
    keys: Vec<StoredSigningKey>,
) -> Result<ResourceServer, ChangeError> {
    let now = app.clock.now();
    let event = by.event("resource_server.updated", "resource_server", id.as_str());
    let (id, master_key) = (id.clone(), app.master_key.clone());
    app.write(move |tx| {
        Box::pin(async move {
            let held = hold_master_key::<ChangeError>(tx, &master_key).await?;
            let before = tx.lock_resource_server(&id).await?.ok_or_else(|| not_found(&id))?;
            ChangeError::check_version(if_version, before.version)?;
            let mut after = patch.apply(before);
            check_grants_keep_their_scopes(tx, &after).await?;
            for key in &keys {
                tx.insert_signing_key(&held, key).await?;
            }
            if let Some(algorithm) = after.signing_alg {
                hold_active(tx, &after.authorization_server_id, algorithm, now).await?;
            }
            after.updated_at = now;
            after.version = tx.update_resource_server(&after).await?;
            tx.record_event(event.with_detail("version", after.version), now);
            tx.record_change(ChangeKind::Catalog, id.as_str(), now);
            Ok(after)
        })
    })
    .await
}

/// The row is locked, so no grant is given meanwhile.
async fn check_grants_keep_their_scopes(tx: &mut Tx, after: &ResourceServer) -> Result<(), ChangeError> {
    let granted = tx.granted_scopes(&after.id).await?;
    let mut losing = granted.iter().filter_map(|(client_id, scope)| {
        let lost = scope.iter().find(|token| !after.defines(token))?;
        Some(format!("{client_id} (`{lost}`)"))
    });
    let Some(first) = losing.next() else { return Ok(()) };
    let named: Vec<String> = std::iter::once(first).chain(losing).take(20).collect();
    Err(ChangeError::State(format!("grants of clients name scopes that would go: {}", named.join(", "))))
}

/// Deletes a resource server that no client has a grant or a key for.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::State`] for the management API's and while
/// there are grants or keys, [`ChangeError::VersionMismatch`].
pub async fn delete(app: &App, by: &Actor, id: &ResourceServerId, if_version: Option<i64>) -> Result<(), ChangeError> {
    delete_and(app, by, id, if_version, Keys::Keep).await
}

/// Deletes a resource server that no client has a grant for, with all keys for it.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::State`] for the management API's and while
/// there are grants.
pub async fn delete_with_keys(app: &App, by: &Actor, id: &ResourceServerId) -> Result<(), ChangeError> {
    delete_and(app, by, id, None, Keys::Delete).await
}

/// What becomes of the keys for a resource server that is deleted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    Delete,
    Keep,
}

async fn delete_and(app: &App, by: &Actor, id: &ResourceServerId, if_version: Option<i64>, keys: Keys) -> Result<(), ChangeError> {
    check_not_management(id)?;
    let now = app.clock.now();
    let event = by.event("resource_server.deleted", "resource_server", id.as_str());
    let id = id.clone();
    app.write(move |tx| {
        Box::pin(async move {
            let found = tx.lock_resource_server(&id).await?.ok_or_else(|| not_found(&id))?;
            ChangeError::check_version(if_version, found.version)?;
            if tx.has_grant_for(&id).await? {
                return Err(ChangeError::State("clients have grants for the resource server: delete these first".to_owned()));
            }
            if keys == Keys::Delete && tx.delete_api_keys_for(&id).await? {
                tx.record_change(ChangeKind::ApiKey, EVERY_KEY, now);
            }
            if tx.has_api_key_for(&id).await? {
                return Err(ChangeError::State("API keys are for the resource server: delete these first".to_owned()));
            }
            tx.delete_introspection_for(&id).await?;
            tx.delete_resource_server(&id).await?;
            tx.record_event(event.with_detail("audience", found.audience.as_str()), now);
            tx.record_change(ChangeKind::Catalog, id.as_str(), now);
            Ok(())
        })
    })
    .await
}

/// Its audience follows the configuration, its scopes this binary.
fn check_not_management(id: &ResourceServerId) -> Result<(), ChangeError> {
    if *id == resource_server_id() {
        return Err(ChangeError::State("the resource server of the management API is not changed by hand".to_owned()));
    }
    Ok(())
}
