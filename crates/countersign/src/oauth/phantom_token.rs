//! Phantom tokens: JWT access tokens that say what an opaque one says, for those who
//! let it in and hand on what APIs can verify by themselves.

use std::sync::{Arc, OnceLock};

use countersign_protocol::Secret;
use quick_cache::sync::Cache;

use super::introspect::Active;
use super::issue::{ACCESS_TOKEN_TYPE, IssueError, sign_as};
use crate::app::App;
use crate::ids::SigningKeyId;
use crate::resource_servers::TokenFormat;

/// Most phantom tokens in memory: each takes some 2 KiB.
const CAPACITY: usize = 4_096;

/// The phantom tokens that were made lately, so that a signature is made once per token
/// and not once per request. None is handed out before its opaque token was found active.
#[derive(Default)]
pub struct PhantomTokens {
    /// By the whole opaque token. Made when the first one is: most instances need none.
    made: OnceLock<Cache<Box<str>, Arc<Phantom>>>,
}

struct Phantom {
    jwt: Secret<String>,
    signed_by: SigningKeyId,
}

impl PhantomTokens {
    /// The one for `token`, if `active` signed it.
    fn find(&self, token: &str, active: &SigningKeyId) -> Option<Arc<Phantom>> {
        self.made.get()?.get(token).filter(|phantom| phantom.signed_by == *active)
    }

    fn keep(&self, token: &str, phantom: &Arc<Phantom>) {
        self.made.get_or_init(|| Cache::new(CAPACITY)).insert(token.into(), Arc::clone(phantom));
    }
}

/// The JWT that stands for `text`; `None`: it is not active, or not for this caller to
/// have. A JWT stands for itself. Only who introspects for the API gets one for an opaque
/// token: its client would trade what can be revoked at once for what cannot.
pub(super) async fn phantom_token(app: &App, text: &str, active: Option<&Active>) -> Result<Option<Secret<String>>, IssueError> {
    let Some(Active { token, audience, introspects }) = active else { return Ok(None) };
    match token.format {
        TokenFormat::Jwt => return Ok(Some(Secret::new(text.to_owned()))),
        TokenFormat::Opaque if !introspects => return Ok(None),
        TokenFormat::Opaque => {}
    }
    let algorithm = audience.signing_alg.unwrap_or(token.server.signing_alg);
    let key = token.server.keys.active(algorithm).ok_or(IssueError::NoSigningKey(algorithm))?.key_id().clone();
    if let Some(made) = app.phantom_tokens.find(text, &key) {
        return Ok(Some(made.jwt.clone()));
    }
    let jwt = sign_as(ACCESS_TOKEN_TYPE, &token.server, algorithm, &token.claims.all).await?;
    let made = Arc::new(Phantom { jwt: Secret::new(jwt), signed_by: key });
    app.phantom_tokens.keep(text, &made);
    Ok(Some(made.jwt.clone()))
}
