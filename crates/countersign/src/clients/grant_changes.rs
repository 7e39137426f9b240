//! Changing and taking back a grant.

use countersign_protocol::{ClientId, Scope};

use super::ClientGrant;
use super::grants::{check_scope, lock_resource_server};
use crate::app::App;
use crate::audit::{Actor, AuditEvent};
use crate::change::{ChangeError, check_lifetime};
use crate::ids::ClientGrantId;
use crate::management::lock_client;
use crate::store::ChangeKind;

/// What of a grant is to change; `None` keeps.
#[derive(Clone, Debug, Default)]
pub struct ClientGrantPatch {
    /// See [`ClientGrant::scope`].
    pub scope: Option<Scope>,
    /// See [`ClientGrant::token_lifetime_seconds`]; `Some(None)` clears it.
    pub token_lifetime_seconds: Option<Option<i64>>,
}

/// Changes a grant, if it still has the version `if_version`.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`] for the client or the grant,
/// [`ChangeError::VersionMismatch`], [`ChangeError::ExceedsCaller`].
pub async fn update_grant(
    app: &App,
    by: &Actor,
    of: (&ClientId, &ClientGrantId),
    patch: ClientGrantPatch,
    if_version: Option<i64>,
) -> Result<ClientGrant, ChangeError> {
    let lifetime = patch.token_lifetime_seconds.map(|seconds| seconds.map(check_lifetime).transpose()).transpose()?;
    let now = app.clock.now();
    let event = event(by, "grant.updated", of);
    let (by, client_id, id) = (by.clone(), of.0.clone(), of.1.clone());
    app.write(move |tx| {
        Box::pin(async move {
            let locked = lock_client(tx, &by, &client_id).await?;
            let before = locked.client.find_grant(&id)?;
            ChangeError::check_version(if_version, before.version)?;
            let resource_server = lock_resource_server(tx, &before.resource_server_id).await?;
            let mut grant = before.clone();
            if let Some(scope) = patch.scope {
                check_scope(&resource_server, &scope)?;
                grant.scope = scope;
            }
            grant.token_lifetime_seconds = lifetime.unwrap_or(grant.token_lifetime_seconds);
            locked.authority.check_grant(&grant, &resource_server)?;
            grant.updated_at = now;
            grant.version = tx.update_client_grant(&grant).await?;
            let event = event
                .with_detail("scope", grant.scope.to_string())
                .with_detail("token_lifetime_seconds", grant.token_lifetime_seconds)
                .in_organization(locked.client.owner());
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Client, client_id.as_str(), now);
            Ok(grant)
        })
    })
    .await
}

/// Takes a grant back. Tokens that were issued by it live until they expire.
///
/// # Errors
/// [`ChangeError::NotFound`] for the client or the grant, [`ChangeError::VersionMismatch`],
/// [`ChangeError::ExceedsCaller`].
pub async fn delete_grant(
    app: &App,
    by: &Actor,
    of: (&ClientId, &ClientGrantId),
    if_version: Option<i64>,
) -> Result<(), ChangeError> {
    let now = app.clock.now();
    let event = event(by, "grant.deleted", of);
    let (by, client_id, id) = (by.clone(), of.0.clone(), of.1.clone());
    app.write(move |tx| {
        Box::pin(async move {
            let locked = lock_client(tx, &by, &client_id).await?;
            let grant = locked.client.find_grant(&id)?;
            ChangeError::check_version(if_version, grant.version)?;
            locked.authority.check_grants_for(&grant.resource_server_id)?;
            tx.delete_client_grant(&id).await?;
            let event =
                event.with_detail("resource_server_id", grant.resource_server_id.as_str()).in_organization(locked.client.owner());
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Client, client_id.as_str(), now);
            Ok(())
        })
    })
    .await
}

fn event(by: &Actor, action: &'static str, (client_id, id): (&ClientId, &ClientGrantId)) -> AuditEvent {
    by.event(action, "grant", id.as_str()).with_detail("client_id", client_id.as_str())
}
