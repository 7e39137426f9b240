//! Reading an access token of our own: the same checks as any verifier's, with the
//! keys and the clients at hand.

use std::sync::Arc;

use countersign_protocol::jose::{Claims, UnverifiedJws};
use countersign_protocol::{ClientId, ErrorCode, Scope, Timestamp};

use super::issue::ACCESS_TOKEN_TYPE;
use crate::app::App;
use crate::catalog::{Catalog, LoadedAuthorizationServer};
use crate::ids::{AuthorizationServerId, CredentialId};

/// An access token that this instance issued and that has not expired.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// Who issued it.
    pub server: Arc<LoadedAuthorizationServer>,
    /// Its claims.
    pub claims: Claims,
    /// `client_id`.
    pub client_id: ClientId,
    /// `cred`.
    pub credential_id: CredentialId,
    /// `scope`.
    pub scope: Scope,
    /// Which key signed it.
    pub key_id: String,
}

/// Reads a token that the authorization server `server` is said to have issued.
///
/// # Errors
/// The code of the first check that fails.
pub fn read_issued(app: &App, server: &AuthorizationServerId, token: &str, now: Timestamp) -> Result<IssuedToken, ErrorCode> {
    let catalog = app.catalog();
    let server = catalog.authorization_server(server).ok_or(ErrorCode::IssuerMismatch)?;
    let jws = UnverifiedJws::parse(token).map_err(|_| ErrorCode::TokenMalformed)?;
    if jws.header().typ.as_deref() != Some(ACCESS_TOKEN_TYPE) {
        return Err(ErrorCode::TypeNotAllowed);
    }
    let key_id = jws.header().key_id.clone().ok_or(ErrorCode::UnknownKey)?;
    let key = server.keys.key_set().find(Some(&key_id)).ok_or(ErrorCode::UnknownKey)?;
    let payload = jws.verify(key).map_err(|_| ErrorCode::BadSignature)?;
    let claims = Claims::parse(&payload).map_err(|_| ErrorCode::ClaimMissing)?;
    check_issuer(app, &catalog, server, &claims.issuer)?;
    if claims.expires_at <= now {
        return Err(ErrorCode::Expired);
    }
    let text = |name: &str| claims.all.get(name).and_then(serde_json::Value::as_str);
    let client_id = claims.client_id.as_deref().and_then(|id| ClientId::try_from(id).ok()).ok_or(ErrorCode::ClaimMissing)?;
    let credential_id = CredentialId::from_stored(text("cred").ok_or(ErrorCode::ClaimMissing)?);
    let scope = Scope::parse(text("scope").unwrap_or_default()).map_err(|_| ErrorCode::ClaimMissing)?;
    Ok(IssuedToken { server: Arc::clone(server), client_id, credential_id, scope, key_id, claims })
}

/// The issuer must be one of the server's own mounts.
fn check_issuer(app: &App, catalog: &Catalog, server: &LoadedAuthorizationServer, issuer: &str) -> Result<(), ErrorCode> {
    let is_own = app.bases.iter().any(|base| {
        let path = issuer.strip_prefix(base.as_str()).filter(|path| path.starts_with('/'));
        let mount = path.and_then(|path| catalog.mount(base, path));
        mount.is_some_and(|mount| mount.server.id == server.id && mount.issuer.as_str() == issuer)
    });
    if is_own { Ok(()) } else { Err(ErrorCode::IssuerMismatch) }
}
