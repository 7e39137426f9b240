//! Why a token of this instance is accepted or refused, for whoever holds it.

use std::sync::Arc;

use countersign_protocol::{Audience, ErrorCode};

use super::holder::Holder;
use super::issued_token::{mount_named, read_of_mount};
use crate::app::App;
use crate::catalog::ResolvedMount;
use crate::explain::{Expectations, ExplainError, Keys, KeysMissing, Report, Standing, examine, issuer_claimed_by};

/// A token, and what is asked of it.
pub struct TokenQuestion {
    /// As it was pasted.
    pub text: String,
    /// For which API it should be.
    pub audience: Option<Audience>,
    /// The scopes that are needed.
    pub needs: Vec<String>,
}

/// Judges a token by the mount that it claims to be of, or by `otherwise`. Nobody is
/// authenticated: what is told beyond the token needs a signature of our own, and is no
/// more than an API that is asked with the token would show.
///
/// # Errors
/// [`ExplainError`].
pub async fn explain_token(
    app: &Arc<App>,
    otherwise: Option<Arc<ResolvedMount>>,
    question: TokenQuestion,
) -> Result<Report, ExplainError> {
    let TokenQuestion { text, audience, needs } = question;
    let claimed = issuer_claimed_by(&text);
    let mount = claimed.and_then(|issuer| mount_named(app, &app.catalog(), &issuer)).or(otherwise);
    let keys = match &mount {
        Some(mount) => Keys { document: Ok(mount.server.keys.document().bytes.to_vec()), place: mount.issuer.to_string() },
        None => Keys { document: Err(KeysMissing::NoIssuer), place: String::new() },
    };
    let issuer = mount.as_ref().map(|mount| mount.issuer.clone());
    let expected = Expectations { issuer, audience, needs, accept_untyped: false };
    let examined = examine(&text, expected, keys, Arc::clone(&app.clock)).await?;
    let standing = match &mount {
        Some(mount) if examined.explanation().claims().is_some() => standing(app, mount, examined.token()).await,
        _ => Standing::NotAsked("which token it is, is not known"),
    };
    Ok(examined.report(&standing, None))
}

/// Whether a token that is genuine is accepted still. Since when not, and by whom, is the
/// operator's to tell.
async fn standing(app: &App, mount: &ResolvedMount, token: &str) -> Standing {
    if app.is_behind() {
        return Standing::Unknown("this node may not know at the moment what was revoked".to_owned());
    }
    let Ok(token) = read_of_mount(app, &mount.server, token) else {
        return Standing::Unknown("this server did not issue it as it is".to_owned());
    };
    let Ok(holder) = Holder::of(app, &token).await else {
        return Standing::Unknown("the clients cannot be looked up at the moment".to_owned());
    };
    if !holder.is_some_and(|holder| holder.may_hold(&token)) {
        return Standing::Revoked(ErrorCode::ClientRevoked, "the client or its credential is not accepted any more".to_owned());
    }
    if token.is_revoked(app) {
        return Standing::Revoked(ErrorCode::TokenRevoked, "the token, or all tokens like it, were revoked".to_owned());
    }
    Standing::Live("neither it nor what it comes from was revoked".to_owned())
}
