//! The exchange of an API key for an access token (RFC 8693).

use std::sync::Arc;

use countersign_protocol::{Scope, ScopeToken, Timestamp, TokenExchangeRequest};

use crate::api_keys::AcceptedKey;
use crate::catalog::ResolvedMount;
use crate::clients::ClientGrant;
use crate::oauth::{AccessTokenSpec, ObtainedBy};
use crate::resource_servers::ResourceServer;

/// Why a key is not exchanged for what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenExchangeError {
    /// The key is not for the audience: unknown, or of another resource server.
    #[error("the API key is not for this audience")]
    AudienceNotOfKey {
        /// What was asked for; `None`: the authorization server does not have the
        /// resource server of the key.
        audience: Option<String>,
    },
    /// The key's client has no grant for the resource server: the same answer.
    #[error("the API key is not for this audience")]
    AudienceNotGranted {
        /// The audience of the key.
        audience: String,
    },
    /// The key ends before a token could live for a second.
    #[error("the API key ends now")]
    NoLifeLeft,
    /// A scope that the key or the grant does not give; never narrowed silently.
    #[error("the API key does not give the scope `{scope}`")]
    ScopeNotOfKey {
        /// The first that is outside.
        scope: ScopeToken,
        /// What the key gives.
        given: Scope,
    },
}

/// Decides what token a key is exchanged for. Pure.
///
/// # Errors
/// [`TokenExchangeError`].
pub fn decide(
    key: &AcceptedKey,
    mount: &ResolvedMount,
    ask: &TokenExchangeRequest,
    now: Timestamp,
) -> Result<AccessTokenSpec, TokenExchangeError> {
    let resource_server = resource_server_of(key, mount, ask.audience.as_deref())?;
    let audience = || resource_server.audience.to_string();
    let grant = key.client().grant_for(&resource_server.id);
    let grant = grant.ok_or_else(|| TokenExchangeError::AudienceNotGranted { audience: audience() })?;
    let scope = scope_of(key, grant, ask.scope.as_ref())?;
    Ok(AccessTokenSpec {
        issuer: mount.issuer.clone(),
        status_endpoint: Arc::clone(&mount.status_endpoint),
        server: Arc::clone(&mount.server),
        signing_alg: resource_server.signing_alg.unwrap_or(mount.server.signing_alg),
        client_id: key.client().id.clone(),
        credential_id: key.key().id.as_credential(),
        obtained_by: ObtainedBy::ApiKey { secret_id: key.secret_id().into() },
        scope,
        lifetime_seconds: lifetime_seconds(key, grant, &resource_server, now)?,
        resource_server,
        now,
    })
}

/// A key is for one resource server: an audience may name it and cannot choose.
fn resource_server_of(
    key: &AcceptedKey,
    mount: &ResolvedMount,
    asked: Option<&str>,
) -> Result<Arc<ResourceServer>, TokenExchangeError> {
    let own = mount.server.find_resource_server(&key.key().resource_server_id);
    let own = own.filter(|own| asked.is_none_or(|asked| own.audience.as_str() == asked));
    own.cloned().ok_or_else(|| TokenExchangeError::AudienceNotOfKey { audience: asked.map(str::to_owned) })
}

/// Scopes of the grant that the key has as permissions; all of them unless less is asked for.
fn scope_of(key: &AcceptedKey, grant: &ClientGrant, asked: Option<&Scope>) -> Result<Scope, TokenExchangeError> {
    let given = grant.scope.only(|scope| key.may(scope.as_str()));
    let Some(asked) = asked else { return Ok(given) };
    match asked.first_outside(&given) {
        None => Ok(asked.clone()),
        Some(scope) => Err(TokenExchangeError::ScopeNotOfKey { scope: scope.clone(), given }),
    }
}

/// As of any token of the client, and never beyond the end of what it was obtained with.
fn lifetime_seconds(
    key: &AcceptedKey,
    grant: &ClientGrant,
    resource_server: &ResourceServer,
    now: Timestamp,
) -> Result<i64, TokenExchangeError> {
    let own = grant.lifetime_seconds(resource_server);
    let left = key.ends_at().map(|end| end.as_seconds() - now.as_seconds());
    let seconds = left.map_or(own, |left| left.min(own));
    if seconds > 0 { Ok(seconds) } else { Err(TokenExchangeError::NoLifeLeft) }
}
