//! Granting a client access to a resource server.

use countersign_protocol::{ClientId, Scope};

use super::ClientGrant;
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, InvalidField, check_lifetime};
use crate::ids::{ClientGrantId, ResourceServerId};
use crate::store::ChangeKind;

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
/// [`ChangeError::AlreadyExists`] when the client has a grant for it.
pub async fn grant(app: &App, by: &Actor, new: NewClientGrant) -> Result<ClientGrant, ChangeError> {
    let now = app.clock.now();
    check_scope(app, &new)?;
    let grant = ClientGrant {
        id: ClientGrantId::generate(now, app.entropy.as_ref()),
        resource_server_id: new.resource_server_id,
        scope: new.scope,
        token_lifetime_seconds: new.token_lifetime_seconds.map(check_lifetime).transpose()?,
    };
    let (client_id, stored) = (new.client_id.clone(), grant.clone());
    let event = by
        .event("grant.created", "grant", grant.id.as_str())
        .with_detail("client_id", client_id.as_str())
        .with_detail("resource_server_id", grant.resource_server_id.as_str())
        .with_detail("scope", grant.scope.to_string());
    let written = app.write(move |tx| {
        Box::pin(async move {
            if !tx.touch_client(&client_id, now).await? {
                return Err(ChangeError::NotFound { kind: "client", id: client_id.to_string() });
            }
            tx.insert_client_grant(&client_id, &stored, now).await?;
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Client, client_id.as_str(), now);
            Ok(())
        })
    });
    let pair = format!("{} -> {}", new.client_id, grant.resource_server_id);
    written.await.map_err(|error| error.or_already_exists("grant", pair))?;
    Ok(grant)
}

fn check_scope(app: &App, new: &NewClientGrant) -> Result<(), ChangeError> {
    let catalog = app.catalog();
    let resource_server = catalog
        .resource_server(&new.resource_server_id)
        .ok_or_else(|| ChangeError::NotFound { kind: "resource server", id: new.resource_server_id.to_string() })?;
    let length = new.scope.to_string().len();
    if length > MAX_SCOPE_LENGTH {
        return Err(
            InvalidField::new("scope", format!("{length} characters"), format!("at most {MAX_SCOPE_LENGTH} characters")).into()
        );
    }
    let defined = |token: &str| resource_server.scopes.iter().any(|definition| definition.scope.as_str() == token);
    match new.scope.iter().find(|token| !defined(token.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let known: Vec<&str> = resource_server.scopes.iter().map(|definition| definition.scope.as_str()).collect();
            Err(InvalidField::new("scope", unknown, format!("scopes of {}: {}", resource_server.audience, known.join(" "))).into())
        }
    }
}
