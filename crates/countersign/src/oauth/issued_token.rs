//! Reading an access token of our own: the same checks as any verifier's, with the
//! keys, the clients and what is revoked at hand.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use countersign_protocol::jose::{Claims, UnverifiedJws};
use countersign_protocol::{Audience, ClientId, ErrorCode, IntrospectionResponse, Scope, Timestamp};
use serde_json::Value;

use super::issue::ACCESS_TOKEN_TYPE;
use crate::app::App;
use crate::catalog::{Catalog, LoadedAuthorizationServer, ResolvedMount};
use crate::ids::{AuthorizationServerId, CredentialId};
use crate::resource_servers::TokenFormat;
use crate::revocation::TokenFacts;
use crate::token_keys::TOKEN_PREFIX;

/// An access token that an authorization server of ours signed or sealed. Whether it has
/// expired or was revoked is another question.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// Who issued it.
    pub server: Arc<LoadedAuthorizationServer>,
    /// Its claims.
    pub claims: Claims,
    /// `aud`.
    pub audience: Audience,
    /// `client_id`.
    pub client_id: ClientId,
    /// `cred`.
    pub credential_id: CredentialId,
    /// `secret_id`: of one that was obtained with an API key, by which secret of it.
    pub secret_id: Option<String>,
    /// `scope`.
    pub scope: Scope,
    /// `sub`.
    pub subject: String,
    /// `jti`.
    pub token_id: String,
    /// `iat`.
    pub issued_at: Timestamp,
    /// Whether it was signed or sealed.
    pub format: TokenFormat,
    /// Which key signed or sealed it.
    pub key_id: String,
    /// The answer to who introspects it while it is active, once somebody has.
    answer: OnceLock<Bytes>,
}

impl IssuedToken {
    /// Reads a token that `server` signed or sealed.
    ///
    /// # Errors
    /// The code of the first check that fails.
    pub fn read(server: &Arc<LoadedAuthorizationServer>, token: &str) -> Result<Self, ErrorCode> {
        if token.starts_with(TOKEN_PREFIX) {
            return Self::open(server, token);
        }
        let jws = UnverifiedJws::parse(token).map_err(|_| ErrorCode::TokenMalformed)?;
        if jws.header().typ.as_deref() != Some(ACCESS_TOKEN_TYPE) {
            return Err(ErrorCode::TypeNotAllowed);
        }
        let key_id = jws.header().key_id.clone().ok_or(ErrorCode::UnknownKey)?;
        let key = server.keys.key_set().find(Some(&key_id)).ok_or(ErrorCode::UnknownKey)?;
        let payload = jws.verify(key).map_err(|_| ErrorCode::BadSignature)?;
        let claims = Claims::parse(&payload).map_err(|_| ErrorCode::ClaimMissing)?;
        Self::from_claims(server, TokenFormat::Jwt, key_id, claims).ok_or(ErrorCode::ClaimMissing)
    }

    fn open(server: &Arc<LoadedAuthorizationServer>, token: &str) -> Result<Self, ErrorCode> {
        let (key_id, claims) = server.token_keys.read(&server.id, token).ok_or(ErrorCode::UnknownKey)?;
        let claims = Claims::parse(&claims).map_err(|_| ErrorCode::ClaimMissing)?;
        Self::from_claims(server, TokenFormat::Opaque, key_id.to_string(), claims).ok_or(ErrorCode::ClaimMissing)
    }

    fn from_claims(server: &Arc<LoadedAuthorizationServer>, format: TokenFormat, key_id: String, claims: Claims) -> Option<Self> {
        let text = |name: &str| claims.all.get(name).and_then(Value::as_str);
        Some(Self {
            server: Arc::clone(server),
            audience: Audience::try_from(text("aud")?).ok()?,
            client_id: ClientId::try_from(text("client_id")?).ok()?,
            credential_id: CredentialId::from_stored(text("cred")?),
            secret_id: text("secret_id").map(str::to_owned),
            scope: Scope::parse(text("scope").unwrap_or_default()).ok()?,
            subject: text("sub")?.to_owned(),
            token_id: text("jti")?.to_owned(),
            issued_at: claims.issued_at?,
            format,
            key_id,
            claims,
            answer: OnceLock::new(),
        })
    }

    /// The answer of RFC 7662 section 2.2 while it is active: a JSON object.
    pub(super) fn active_answer(&self) -> Bytes {
        let render = || IntrospectionResponse::Active(self.claims.all.clone()).to_json().into();
        self.answer.get_or_init(render).clone()
    }

    /// Whether a mark, or a revocation of its own, is about it.
    pub fn is_revoked(&self, app: &App) -> bool {
        let facts = TokenFacts {
            server: self.server.id.as_str(),
            audience: self.audience.as_str(),
            client_id: self.client_id.as_str(),
            credential_id: self.credential_id.as_str(),
            key_id: &self.key_id,
            subject: &self.subject,
        };
        app.revocations.marks.revoking(&facts, self.issued_at).is_some()
            || app.revocations.tokens.contains(&self.server.id, &self.token_id, self.claims.expires_at)
    }
}

/// Reads a token that an authorization server issued at any of its mounts.
///
/// # Errors
/// The code of the first check that fails.
pub(super) fn read_of_mount(
    app: &App,
    server: &Arc<LoadedAuthorizationServer>,
    token: &str,
) -> Result<Arc<IssuedToken>, ErrorCode> {
    let token = match app.read_tokens.find(token, server) {
        Some(known) => known,
        None => {
            let read = Arc::new(IssuedToken::read(server, token)?);
            // A snapshot that was replaced meanwhile must not stay in memory.
            app.read_tokens.keep(token, &read);
            if !app.catalog().holds(server) {
                app.read_tokens.forget(token);
            }
            read
        }
    };
    check_issuer(app, &app.catalog(), server, &token.claims.issuer)?;
    Ok(token)
}

/// Reads a token that the authorization server `server` is said to have issued, and
/// that has neither expired nor been revoked.
///
/// # Errors
/// The code of the first check that fails.
pub fn read_issued(app: &App, server: &AuthorizationServerId, token: &str, now: Timestamp) -> Result<Arc<IssuedToken>, ErrorCode> {
    let catalog = app.catalog();
    let server = catalog.authorization_server(server).ok_or(ErrorCode::IssuerMismatch)?;
    let token = read_of_mount(app, server, token)?;
    if token.claims.expires_at <= now {
        return Err(ErrorCode::Expired);
    }
    if token.is_revoked(app) {
        return Err(ErrorCode::TokenRevoked);
    }
    Ok(token)
}

/// The issuer must be one of the server's own mounts.
fn check_issuer(app: &App, catalog: &Catalog, server: &LoadedAuthorizationServer, issuer: &str) -> Result<(), ErrorCode> {
    let is_own = mount_named(app, catalog, issuer).is_some_and(|mount| mount.server.id == server.id);
    if is_own { Ok(()) } else { Err(ErrorCode::IssuerMismatch) }
}

/// The mount with this issuer, below whichever base.
pub(super) fn mount_named(app: &App, catalog: &Catalog, issuer: &str) -> Option<Arc<ResolvedMount>> {
    app.bases.iter().find_map(|base| {
        let path = issuer.strip_prefix(base.as_str()).filter(|path| path.starts_with('/'))?;
        catalog.mount(base, path).filter(|mount| mount.issuer.as_str() == issuer)
    })
}
