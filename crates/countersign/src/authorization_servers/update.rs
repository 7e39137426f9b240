//! Changing and deleting an authorization server.

use countersign_protocol::jose::Algorithm;

use super::AuthorizationServer;
use super::list::not_found;
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, InvalidField, check_name};
use crate::ids::AuthorizationServerId;
use crate::instance::hold_master_key;
use crate::signing_keys::{SigningKeyState, check_rotation_interval, hold_active};
use crate::store::{ChangeKind, Tx};

/// What of an authorization server is to change; `None` keeps.
#[derive(Clone, Debug, Default)]
pub struct AuthorizationServerPatch {
    /// See [`AuthorizationServer::name`].
    pub name: Option<String>,
    /// See [`AuthorizationServer::signing_alg`].
    pub signing_alg: Option<Algorithm>,
    /// See [`AuthorizationServer::rotation_interval_seconds`].
    pub rotation_interval_seconds: Option<i64>,
    /// Whether its JWTs are to have a place in a status list. Tokens that have one keep it.
    pub status_lists: Option<bool>,
}

/// Changes an authorization server, if it still has the version `if_version`.
///
/// # Errors
/// [`ChangeError::Invalid`], also for an algorithm that it has no key for,
/// [`ChangeError::NotFound`], [`ChangeError::VersionMismatch`].
pub async fn update(
    app: &App,
    by: &Actor,
    id: &AuthorizationServerId,
    patch: AuthorizationServerPatch,
    if_version: Option<i64>,
) -> Result<AuthorizationServer, ChangeError> {
    if let Some(name) = &patch.name {
        check_name("name", name)?;
    }
    let rotation_interval = patch.rotation_interval_seconds.map(check_rotation_interval).transpose()?;
    let now = app.clock.now();
    let event = by.event("authorization_server.updated", "authorization_server", id.as_str());
    let id = id.clone();
    app.write(move |tx| {
        Box::pin(async move {
            let mut server = tx.lock_authorization_server(&id).await?.ok_or_else(|| not_found(&id))?;
            ChangeError::check_version(if_version, server.version)?;
            if let Some(algorithm) = patch.signing_alg {
                check_has_key(tx, &id, algorithm).await?;
                hold_active(tx, &id, algorithm, now).await?;
                server.signing_alg = algorithm;
            }
            server.rotation_interval_seconds = rotation_interval.unwrap_or(server.rotation_interval_seconds);
            if let Some(wanted) = patch.status_lists {
                server.status_lists_since = wanted.then(|| server.status_lists_since.unwrap_or(now));
            }
            server.name = patch.name.unwrap_or(server.name);
            server.updated_at = now;
            server.version = tx.update_authorization_server(&server).await?;
            let event = event.with_detail("name", server.name.as_str()).with_detail("signing_alg", server.signing_alg.as_str());
            let event = event.with_detail("rotation_interval_seconds", server.rotation_interval_seconds);
            let event = event.with_detail("status_lists", server.status_lists_since.is_some());
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, id.as_str(), now);
            Ok(server)
        })
    })
    .await
}

async fn check_has_key(tx: &mut Tx, id: &AuthorizationServerId, algorithm: Algorithm) -> Result<(), ChangeError> {
    let keys = tx.signing_keys_of(id).await?;
    let active: Vec<Algorithm> = keys.iter().filter(|key| key.state == SigningKeyState::Active).map(|key| key.algorithm).collect();
    if active.contains(&algorithm) {
        return Ok(());
    }
    let known: Vec<&str> = active.iter().map(|algorithm| algorithm.as_str()).collect();
    Err(InvalidField::new("signing_alg", algorithm, format!("an algorithm that it has keys for: {}", known.join(" "))).into())
}

/// Deletes an authorization server with its mounts and signing keys.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::State`] for `default` and while a resource
/// server belongs to it, [`ChangeError::VersionMismatch`].
pub async fn delete(app: &App, by: &Actor, id: &AuthorizationServerId, if_version: Option<i64>) -> Result<(), ChangeError> {
    if *id == AuthorizationServerId::default_server() {
        return Err(ChangeError::State("the authorization server `default` cannot be deleted".to_owned()));
    }
    let now = app.clock.now();
    let event = by.event("authorization_server.deleted", "authorization_server", id.as_str());
    let (id, master_key) = (id.clone(), app.master_key.clone());
    app.write(move |tx| {
        Box::pin(async move {
            // Nothing is sealed here, but nobody adds keys to it meanwhile, or lets one succeed another.
            hold_master_key::<ChangeError>(tx, &master_key).await?;
            let server = tx.lock_authorization_server(&id).await?.ok_or_else(|| not_found(&id))?;
            ChangeError::check_version(if_version, server.version)?;
            if tx.has_resource_server(&id).await? {
                return Err(ChangeError::State(
                    "resource servers belong to the authorization server: delete them first".to_owned(),
                ));
            }
            tx.delete_authorization_server(&id).await?;
            tx.record_event(event.with_detail("name", server.name.as_str()), now);
            tx.record_change(ChangeKind::Catalog, id.as_str(), now);
            Ok(())
        })
    })
    .await
}
