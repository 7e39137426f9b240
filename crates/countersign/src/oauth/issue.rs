//! Making the token: the one place with effects.

use std::sync::Arc;

use countersign_protocol::jose::{AccessTokenClaims, Algorithm, base64url};
use countersign_protocol::{ClientId, Issuer, Scope, Timestamp, TokenResponse};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tracing::Instrument as _;

use crate::app::App;
use crate::catalog::LoadedAuthorizationServer;
use crate::entropy::random;
use crate::ids::CredentialId;
use crate::resource_servers::{Profile, ResourceServer};
use crate::signing_keys::SignError;
use crate::traces::span;

/// The media type of an access token (RFC 9068 section 2.1).
pub(super) const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// Everything a decision fixed about a token.
#[derive(Clone, Debug)]
pub struct AccessTokenSpec {
    /// `iss`.
    pub issuer: Issuer,
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
    /// `scope`.
    pub scope: Scope,
    /// Seconds from `iat` to `exp`, before backdating.
    pub lifetime_seconds: i64,
    /// The instant of the decision.
    pub now: Timestamp,
}

impl AccessTokenSpec {
    /// `iat`: never ahead of the clock.
    pub fn issued_at(&self, backdate_seconds: i64) -> Timestamp {
        Timestamp::from_seconds(self.now.as_seconds() - backdate_seconds)
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
    /// Mark after mark was set while tokens were signed.
    #[error("each token was revoked before it was signed")]
    Overtaken,
    /// The signature was not made.
    #[error(transparent)]
    Signing(#[from] SignError),
}

/// Signs the access token that `spec` describes.
pub(super) async fn access_token(app: &App, spec: AccessTokenSpec) -> Result<TokenResponse, IssueError> {
    let key = spec.server.keys.active(spec.signing_alg).ok_or(IssueError::NoSigningKey(spec.signing_alg))?;
    let (key, expires_in, algorithm) = (Arc::clone(key), spec.lifetime_seconds, spec.signing_alg);
    let claims = OwnedClaims::new(spec, app);
    let scope = claims.scope.clone();
    let access_token =
        app.signing.sign_jwt(key, ACCESS_TOKEN_TYPE, claims).instrument(span!("sign", algorithm = %algorithm)).await?;
    Ok(TokenResponse { access_token, token_type: "Bearer", expires_in, scope })
}

/// The claims, owned so that they can move to a signing thread.
struct OwnedClaims {
    spec: AccessTokenSpec,
    scope: String,
    iat: i64,
    exp: i64,
    jti: String,
}

impl OwnedClaims {
    fn new(spec: AccessTokenSpec, app: &App) -> Self {
        let now = spec.now.as_seconds();
        Self {
            scope: spec.scope.to_string(),
            iat: spec.issued_at(app.backdate_seconds).as_seconds(),
            exp: now + spec.lifetime_seconds,
            jti: base64url::encode(&random::<16>(app.entropy.as_ref())),
            spec,
        }
    }
}

impl Serialize for OwnedClaims {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        AccessTokenClaims {
            iss: self.spec.issuer.as_str(),
            sub: self.spec.client_id.as_str(),
            aud: self.spec.resource_server.audience.as_str(),
            client_id: self.spec.client_id.as_str(),
            cred: self.spec.credential_id.as_str(),
            iat: self.iat,
            exp: self.exp,
            jti: &self.jti,
            scope: &self.scope,
            profile: profile_claims(&self.spec),
        }
        .serialize(serializer)
    }
}

/// What a profile adds to RFC 9068; never a replacement.
fn profile_claims(spec: &AccessTokenSpec) -> Map<String, Value> {
    let client_id = spec.client_id.as_str();
    let added = match spec.resource_server.profile {
        Profile::Rfc9068 => json!({}),
        Profile::Okta => {
            let scp: Vec<&str> = spec.scope.iter().map(countersign_protocol::ScopeToken::as_str).collect();
            json!({ "ver": 1, "cid": client_id, "scp": scp })
        }
        Profile::Auth0 => json!({ "azp": client_id, "gty": "client-credentials" }),
    };
    match added {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
