//! The client credentials grant (RFC 6749 section 4.4).

use std::sync::Arc;

use countersign_protocol::{Audience, ClientCredentialsRequest, Scope, ScopeToken, Timestamp};

use crate::catalog::ResolvedMount;
use crate::clients::ClientGrant;
use crate::ids::ClientGrantId;
use crate::oauth::{AccessTokenSpec, AuthenticatedClient, ObtainedBy};
use crate::resource_servers::ResourceServer;

/// Why the grant is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientCredentialsError {
    /// No audience was named, and neither the mount nor the client's grants imply one.
    #[error("name an audience: there is no default for this request")]
    AudienceMissing {
        /// Grants of the client on this authorization server.
        grants: usize,
    },
    /// Unknown, or not granted: one answer.
    #[error("the audience is unknown or not granted to this client")]
    AudienceNotGranted {
        /// What was asked for, or else the default of the mount.
        audience: String,
        /// Whether the authorization server has it.
        is_known: bool,
    },
    /// A scope outside the grant; never narrowed silently.
    #[error("the scope `{scope}` is not granted to this client")]
    ScopeNotGranted {
        /// The first that is outside.
        scope: ScopeToken,
        /// Outside of which grant.
        grant_id: ClientGrantId,
        /// What that gives.
        granted: Scope,
    },
}

/// Decides what token a client gets. Pure.
///
/// # Errors
/// [`ClientCredentialsError`].
pub fn decide(
    client: &AuthenticatedClient,
    mount: &ResolvedMount,
    ask: &ClientCredentialsRequest,
    now: Timestamp,
) -> Result<AccessTokenSpec, ClientCredentialsError> {
    let (resource_server, grant) = find_grant(client, mount, ask.audience.as_deref())?;
    let scope = match &ask.scope {
        None => grant.scope.clone(),
        Some(asked) => within(asked, grant)?,
    };
    Ok(AccessTokenSpec {
        issuer: mount.issuer.clone(),
        status_endpoint: Arc::clone(&mount.status_endpoint),
        server: Arc::clone(&mount.server),
        signing_alg: resource_server.signing_alg.unwrap_or(mount.server.signing_alg),
        client_id: client.client().id.clone(),
        credential_id: client.credential_id().clone(),
        obtained_by: ObtainedBy::Credential,
        scope,
        lifetime_seconds: grant.lifetime_seconds(&resource_server),
        resource_server,
        now,
    })
}

/// RFC 8707 section 2: the audience is the one asked for; else the mount's
/// default; else the client's only grant on this authorization server.
fn find_grant<'a>(
    client: &'a AuthenticatedClient,
    mount: &ResolvedMount,
    asked: Option<&str>,
) -> Result<(Arc<ResourceServer>, &'a ClientGrant), ClientCredentialsError> {
    let grants = &client.client().grants;
    if let Some(audience) = asked.or_else(|| mount.default_audience.as_ref().map(Audience::as_str)) {
        let refused = |is_known| ClientCredentialsError::AudienceNotGranted { audience: audience.to_owned(), is_known };
        let resource_server = mount.server.find_audience(audience).ok_or_else(|| refused(false))?;
        let grant = grants.iter().find(|grant| grant.resource_server_id == resource_server.id);
        return Ok((Arc::clone(resource_server), grant.ok_or_else(|| refused(true))?));
    }
    let mut granted = grants.iter().filter_map(|grant| {
        let resource_server = mount.server.find_resource_server(&grant.resource_server_id)?;
        Some((Arc::clone(resource_server), grant))
    });
    match (granted.next(), granted.next()) {
        (Some(only), None) => Ok(only),
        (first, second) => {
            let grants = first.iter().count() + second.iter().count() + granted.count();
            Err(ClientCredentialsError::AudienceMissing { grants })
        }
    }
}

fn within(asked: &Scope, grant: &ClientGrant) -> Result<Scope, ClientCredentialsError> {
    match asked.first_outside(&grant.scope) {
        None => Ok(asked.clone()),
        Some(token) => Err(ClientCredentialsError::ScopeNotGranted {
            scope: token.clone(),
            grant_id: grant.id.clone(),
            granted: grant.scope.clone(),
        }),
    }
}
