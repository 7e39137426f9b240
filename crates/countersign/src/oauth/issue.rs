//! Making the token: the one place with effects.

use std::sync::Arc;

use countersign_protocol::jose::{AccessTokenClaims, Algorithm, SigningInput, SigningKeyError, base64url};
use countersign_protocol::status::StatusReference;
use countersign_protocol::{ACCESS_TOKEN_TOKEN_TYPE, ClientId, GrantType, Issuer, Scope, Timestamp, TokenResponse};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tracing::Instrument as _;

use crate::app::App;
use crate::catalog::LoadedAuthorizationServer;
use crate::entropy::random;
use crate::ids::CredentialId;
use crate::resource_servers::{Profile, ResourceServer, TokenFormat};
use crate::sealing::SealingError;
use crate::signing_keys::SignError;
use crate::status_lists::Place;
use crate::store::StoreError;
use crate::traces::span;

/// The media type of an access token (RFC 9068 section 2.1).
pub(super) const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// Everything a decision fixed about a token.
#[derive(Clone, Debug)]
pub struct AccessTokenSpec {
    /// `iss`.
    pub issuer: Issuer,
    /// Below which the status of its tokens is told.
    pub status_endpoint: Arc<str>,
    /// Whose keys sign.
    pub server: Arc<LoadedAuthorizationServer>,
    /// For whom: `aud`, and the profile.
    pub resource_server: Arc<ResourceServer>,
    /// How it is signed.
    pub signing_alg: Algorithm,
    /// `client_id` and `sub`.
    pub client_id: ClientId,
    /// `cred`.
    pub credential_id: CredentialId,
    /// What that is.
    pub obtained_by: ObtainedBy,
    /// `scope`.
    pub scope: Scope,
    /// Seconds from `iat` to `exp`, before backdating.
    pub lifetime_seconds: i64,
    /// The instant of the decision.
    pub now: Timestamp,
}

/// What a token is obtained with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObtainedBy {
    /// An API key, by the secret with this id: `secret_id`.
    ApiKey {
        /// Tells tokens of a former secret from those of its successor.
        secret_id: Box<str>,
    },
    /// A credential of the client.
    Credential,
}

impl ObtainedBy {
    /// As the metrics name the grant.
    pub(super) const fn grant_name(&self) -> &'static str {
        match self {
            Self::ApiKey { .. } => "token_exchange",
            Self::Credential => "client_credentials",
        }
    }

    /// The type of the token, where that is asked (RFC 8693 section 2.2.1).
    pub(super) const fn issued_token_type(&self) -> Option<&'static str> {
        match self {
            Self::ApiKey { .. } => Some(ACCESS_TOKEN_TOKEN_TYPE),
            Self::Credential => None,
        }
    }
}

impl AccessTokenSpec {
    /// `iat`: never ahead of the clock.
    pub fn issued_at(&self, backdate_seconds: i64) -> Timestamp {
        Timestamp::from_seconds(self.now.as_seconds() - backdate_seconds)
    }

    /// How it is signed; `None`: it is opaque.
    pub(super) fn signature(&self) -> Option<Algorithm> {
        (self.resource_server.token_format == TokenFormat::Jwt).then_some(self.signing_alg)
    }

    /// Whether both give the same client the same rights for the same time.
    pub(super) fn has_terms_of(&self, other: &Self) -> bool {
        let (api, others) = (&self.resource_server, &other.resource_server);
        (&self.issuer, &self.client_id, &self.scope) == (&other.issuer, &other.client_id, &other.scope)
            && (self.signing_alg, self.lifetime_seconds) == (other.signing_alg, other.lifetime_seconds)
            && (&api.audience, api.profile, api.token_format) == (&others.audience, others.profile, others.token_format)
    }
}

/// Why a token that was granted cannot be made: always a fault of ours.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// There is no active key for the algorithm.
    #[error("there is no active {0} signing key")]
    NoSigningKey(Algorithm),
    /// A mark lies too far ahead to wait for: the clocks of the nodes differ.
    #[error("a revocation mark at {} lies ahead of this node's clock", .0.as_seconds())]
    MarkAhead(Timestamp),
    /// There is no key that seals opaque tokens.
    #[error("there is no token key")]
    NoTokenKey,
    /// Mark after mark was set while tokens were signed.
    #[error("each token was revoked before it was signed")]
    Overtaken,
    /// An opaque token was not sealed.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// The signature was not made.
    #[error(transparent)]
    Signing(#[from] SignError),
    /// No place in a status list can be had.
    #[error("no place in a status list can be had")]
    StatusList(#[from] StoreError),
}

/// A token that was made.
pub(super) struct NewToken {
    pub(super) response: TokenResponse,
    /// Its `jti`.
    pub(super) token_id: String,
}

/// Makes the access token that `spec` describes.
pub(super) async fn access_token(app: &App, spec: &AccessTokenSpec) -> Result<NewToken, IssueError> {
    let (scope, status) = (spec.scope.to_string(), status_of(app, spec).await?);
    let token_id = match &status {
        Some(place) => StatusReference::token_id(place.list_id(), place.index),
        None => base64url::encode(&random::<16>(app.entropy.as_ref())),
    };
    let claims = claims(app, spec, &scope, &token_id, status.as_ref()).to_json();
    let access_token = match spec.resource_server.token_format {
        TokenFormat::Jwt => sign(spec, &claims).await?,
        TokenFormat::Opaque => seal(spec, &claims)?,
    };
    let response = TokenResponse {
        access_token,
        issued_token_type: spec.obtained_by.issued_token_type(),
        token_type: "Bearer",
        expires_in: spec.lifetime_seconds,
        scope,
    };
    Ok(NewToken { response, token_id })
}

/// A place of its own in a status list, if its authorization server has lists. Opaque
/// tokens need none: whoever takes one asks us.
async fn status_of(app: &App, spec: &AccessTokenSpec) -> Result<Option<StatusReference>, IssueError> {
    if !spec.server.has_status_lists || spec.resource_server.token_format == TokenFormat::Opaque {
        return Ok(None);
    }
    let expires_at = spec.now.plus_seconds(spec.lifetime_seconds);
    let Place { list_id, index } = app.status_lists.take_place(app, &spec.server, expires_at).await?;
    Ok(Some(StatusReference { index, uri: format!("{}/{list_id}", spec.status_endpoint) }))
}

async fn sign(spec: &AccessTokenSpec, claims: &str) -> Result<String, IssueError> {
    sign_json(ACCESS_TOKEN_TYPE, &spec.server, spec.signing_alg, claims).await
}

/// A JWT with the header `typ` of these claims, signed by the active key.
pub(crate) async fn sign_as(
    typ: &str,
    server: &LoadedAuthorizationServer,
    algorithm: Algorithm,
    claims: &impl Serialize,
) -> Result<String, IssueError> {
    let claims = serde_json::to_string(claims).map_err(|_| SignError::from(SigningKeyError::Claims))?;
    sign_json(typ, server, algorithm, &claims).await
}

/// The same for claims that are JSON already.
///
/// # Errors
/// [`IssueError`].
pub(crate) async fn sign_json(
    typ: &str,
    server: &LoadedAuthorizationServer,
    algorithm: Algorithm,
    claims: &str,
) -> Result<String, IssueError> {
    let key = server.keys.active(algorithm).ok_or(IssueError::NoSigningKey(algorithm))?;
    let input = SigningInput::of_json(key.algorithm(), key.key_id().as_str(), typ, claims);
    let signature = key.sign(input.as_str().as_bytes()).instrument(span!("sign", %algorithm)).await?;
    Ok(input.with_signature(&signature))
}

/// The same claims for introspection alone.
fn seal(spec: &AccessTokenSpec, claims: &str) -> Result<String, IssueError> {
    let key = spec.server.token_keys.active(spec.now).ok_or(IssueError::NoTokenKey)?;
    Ok(key.seal(&spec.server.id, claims.as_bytes())?)
}

fn claims<'a>(
    app: &App,
    spec: &'a AccessTokenSpec,
    scope: &'a str,
    token_id: &'a str,
    status: Option<&'a StatusReference>,
) -> AccessTokenClaims<'a> {
    let now = spec.now.as_seconds();
    AccessTokenClaims {
        iss: spec.issuer.as_str(),
        sub: spec.client_id.as_str(),
        aud: spec.resource_server.audience.as_str(),
        client_id: spec.client_id.as_str(),
        cred: spec.credential_id.as_str(),
        iat: spec.issued_at(app.backdate_seconds).as_seconds(),
        exp: now + spec.lifetime_seconds,
        jti: token_id,
        scope,
        status,
        profile: added_claims(spec),
    }
}

/// What a profile and the grant add to RFC 9068; never a replacement.
fn added_claims(spec: &AccessTokenSpec) -> Map<String, Value> {
    let mut added = profile_claims(spec);
    if let ObtainedBy::ApiKey { secret_id } = &spec.obtained_by {
        added.insert("secret_id".to_owned(), Value::from(&**secret_id));
    }
    added
}

fn profile_claims(spec: &AccessTokenSpec) -> Map<String, Value> {
    let client_id = spec.client_id.as_str();
    let added = match spec.resource_server.profile {
        Profile::Rfc9068 => json!({}),
        Profile::Okta => {
            let scp: Vec<&str> = spec.scope.iter().map(countersign_protocol::ScopeToken::as_str).collect();
            json!({ "ver": 1, "cid": client_id, "scp": scp })
        }
        Profile::Auth0 => {
            let grant = match spec.obtained_by {
                ObtainedBy::ApiKey { .. } => GrantType::TokenExchange.as_str(),
                ObtainedBy::Credential => "client-credentials",
            };
            json!({ "azp": client_id, "gty": grant })
        }
    };
    match added {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
