//! Granting a client access to a resource server.

use countersign_protocol::{ClientId, Scope};

use super::ClientGrant;
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, InvalidField, check_lifetime};
use crate::ids::{ClientGrantId, ResourceServerId};
use crate::management::lock_client;
use crate::resource_servers::ResourceServer;
use crate::store::{ChangeKind, Tx};

/// Longest scope of a grant, in characters: all of it may end up in one token, and
/// verifiers refuse tokens above 16 KiB.
const MAX_SCOPE_LENGTH: usize = 2_048;

/// What a new grant is to be.
#[derive(Clone, Debug)]
pub struct NewClientGrant {
    /// Who.
    pub client_id: ClientId,
    /// For which resource server.
    pub resource_server_id: ResourceServerId,
    /// Which of its scopes; may be empty.
    pub scope: Scope,
    /// Overrides the resource server's lifetime, in seconds.
    pub token_lifetime_seconds: Option<i64>,
}

/// Grants a client access to a resource server.
///
/// # Errors
/// [`ChangeError::Invalid`] for a scope the resource server does not define,
/// [`ChangeError::NotFound`] for the client or the resource server,
/// [`ChangeError::AlreadyExists`] when the client has a grant for it,
/// [`ChangeError::ExceedsCaller`].
pub async fn grant(app: &App, by: &Actor, new: NewClientGrant) -> Result<ClientGrant, ChangeError> {
    let now = app.clock.now();
    let grant = ClientGrant {
        id: ClientGrantId::generate(now, app.entropy.as_ref()),
        resource_server_id: new.resource_server_id,
        scope: new.scope,
        token_lifetime_seconds: new.token_lifetime_seconds.map(check_lifetime).transpose()?,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let event = by
        .event("grant.created", "grant", grant.id.as_str())
        .with_detail("client_id", new.client_id.as_str())
        .with_detail("resource_server_id", grant.resource_server_id.as_str())
        .with_detail("scope", grant.scope.to_string());
    let (by, client_id, stored) = (by.clone(), new.client_id.clone(), grant.clone());
    let written = app.write(move |tx| {
        Box::pin(async move {
            let locked = lock_client(tx, &by, &client_id).await?;
            let resource_server = lock_resource_server(tx, &stored.resource_server_id).await?;
            locked.authority.check_grant(&stored, &resource_server)?;
            check_scope(&resource_server, &stored.scope)?;
            tx.insert_client_grant(&client_id, &stored).await?;
            tx.record_event(event.in_organization(locked.client.owner()), now);
            tx.record_change(ChangeKind::Client, client_id.as_str(), now);
            Ok(())
        })
    });
    let pair = format!("{} -> {}", new.client_id, grant.resource_server_id);
    written.await.map_err(|error: ChangeError| error.or_already_exists("grant", pair))?;
    Ok(grant)
}

/// The resource server of a grant, as it stays until commit: neither it nor one of its
/// scopes goes away meanwhile.
pub(super) async fn lock_resource_server(tx: &mut Tx, id: &ResourceServerId) -> Result<ResourceServer, ChangeError> {
    let found = tx.lock_resource_server(id).await?;
    found.ok_or_else(|| ChangeError::NotFound { kind: "resource server", id: id.to_string() })
}

pub(super) fn check_scope(resource_server: &ResourceServer, scope: &Scope) -> Result<(), InvalidField> {
    let length = scope.to_string().len();
    if length > MAX_SCOPE_LENGTH {
        return Err(InvalidField::new("scope", format!("{length} characters"), format!("at most {MAX_SCOPE_LENGTH} characters")));
    }
    match scope.iter().find(|token| !resource_server.defines(token)) {
        None => Ok(()),
        Some(unknown) => {
            let known: Vec<&str> = resource_server.scopes.iter().map(|definition| definition.scope.as_str()).collect();
            Err(InvalidField::new("scope", unknown, format!("scopes of {}: {}", resource_server.audience, known.join(" "))))
        }
    }
}
