//! The token endpoint's steps, in order.

use std::sync::Arc;

use countersign_protocol::{ClientCredentialsRequest, Parameters, Timestamp, TokenRequest, TokenRequestError, TokenResponse};

use super::account;
use super::birth::Birth;
use super::client_auth::{AuthenticatedClient, ClientAuthError, authenticate, authenticate_again};
use super::grants::client_credentials::{self, ClientCredentialsError};
use super::issue::{self, AccessTokenSpec, IssueError};
use crate::app::App;
use crate::catalog::ResolvedMount;
use crate::limits::Exhausted;
use crate::source_address::SourceAddress;
use crate::traces::span;

/// As the metrics name the grant.
const CLIENT_CREDENTIALS: &str = "client_credentials";

/// Times that a token is decided on and signed while revocations overtake it.
const MAX_ROUNDS: usize = 4;

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The client is not authenticated.
    #[error(transparent)]
    ClientAuth(#[from] ClientAuthError),
    /// The grant is refused.
    #[error(transparent)]
    ClientCredentials(#[from] ClientCredentialsError),
    /// The token cannot be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The issuer was unmounted while the request was under way.
    #[error("there is no such issuer any more")]
    MountGone,
    /// The request is not well-formed.
    #[error(transparent)]
    Request(#[from] TokenRequestError),
    /// The client asks too often.
    #[error("too many requests of this client")]
    TooManyRequests(Exhausted),
}

/// Answers a token request: every check comes before any effect.
///
/// # Errors
/// [`TokenError`], with the client as far as it was authenticated.
pub async fn token<'h>(
    app: &App,
    mount: &Arc<ResolvedMount>,
    source: SourceAddress,
    authorization: impl IntoIterator<Item = &'h [u8]>,
    parameters: &Parameters,
) -> (Option<AuthenticatedClient>, Result<TokenResponse, TokenError>) {
    let now = app.clock.now();
    let client_changes = app.client_changes();
    let client = match authenticate(app, mount, source, authorization, parameters, now).await {
        Ok(client) => client,
        Err(error) => return (None, Err(error.into())),
    };
    if let Err(exhausted) = app.limits.take_client_request(&client.client().id, source, now) {
        return (Some(client), Err(TokenError::TooManyRequests(exhausted)));
    }
    let mut known = Known { client, mount: Arc::clone(mount), client_changes };
    let issued = match TokenRequest::parse(parameters) {
        Ok(TokenRequest::ClientCredentials(ask)) => issue_alive(app, &mut known, &ask, now).await,
        Err(error) => Err(error.into()),
    };
    if let Ok(issued) = &issued {
        if issued.is_reused {
            account::of_reused(app, &issued.spec, issued.response.expires_in);
        } else {
            app.metrics.tokens.issued(issued.spec.server.id.as_str(), CLIENT_CREDENTIALS, issued.spec.signature());
            account::of_issued(app, &issued.spec);
        }
    }
    (Some(known.client), issued.map(|issued| issued.response))
}

/// What a token is decided by, as this node has heard of it.
struct Known {
    client: AuthenticatedClient,
    mount: Arc<ResolvedMount>,
    /// Counted before the client was read.
    client_changes: u64,
}

impl Known {
    fn is_current(&self, app: &App) -> bool {
        app.client_changes() == self.client_changes && app.catalog().holds(&self.mount.server)
    }

    /// Lets the client in once more, as everything is now.
    async fn renew(&mut self, app: &App) -> Result<(), TokenError> {
        self.client_changes = app.client_changes();
        self.client = authenticate_again(app, &self.client).await?;
        self.mount = app.catalog().refreshed(&self.mount).ok_or(TokenError::MountGone)?;
        Ok(())
    }

    fn decide(&self, ask: &ClientCredentialsRequest, now: Timestamp) -> Result<AccessTokenSpec, ClientCredentialsError> {
        client_credentials::decide(&self.client, &self.mount, ask, now)
    }
}

/// A token, and what it was made from.
struct Issued {
    response: TokenResponse,
    spec: AccessTokenSpec,
    /// Whether the client was given it before.
    is_reused: bool,
}

/// Issues a token that no mark has revoked, and that no change forbids which was
/// acknowledged on this node, however long the signature took. While a mark lies
/// ahead, the request waits for it: at most a second and the backdating.
async fn issue_alive(
    app: &App,
    known: &mut Known,
    ask: &ClientCredentialsRequest,
    mut now: Timestamp,
) -> Result<Issued, TokenError> {
    for _ in 0..MAX_ROUNDS {
        let spec = span!("decide").in_scope(|| known.decide(ask, now))?;
        let birth = Birth::of(&spec);
        if let Some(time) = birth.waits_until(app)? {
            app.timer.wait_until(time).await;
        } else {
            let live = app.live_tokens.find(app, &known.client, &spec);
            if let Some(response) = live.filter(|_| known.is_current(app)) {
                return Ok(Issued { response, spec, is_reused: true });
            }
            let made = issue::access_token(app, &spec).await?;
            // What changed during the signature is about this token too.
            if is_still_due(app, known, ask, &birth).await? && birth.is_alive(app) {
                app.live_tokens.keep(&known.client, &spec, &made);
                return Ok(Issued { response: made.response, spec, is_reused: false });
            }
        }
        // Meanwhile the key may have been removed.
        known.renew(app).await?;
        now = app.clock.now();
    }
    Err(IssueError::Overtaken.into())
}

/// Whether the same would be decided now. Most of what changes is about others.
async fn is_still_due(app: &App, known: &mut Known, ask: &ClientCredentialsRequest, birth: &Birth<'_>) -> Result<bool, TokenError> {
    for _ in 0..MAX_ROUNDS {
        if known.is_current(app) {
            return Ok(true);
        }
        known.renew(app).await?;
        let spec = birth.spec();
        if !known.decide(ask, spec.now)?.has_terms_of(spec) || !birth.has_accepted_key(&known.mount.server) {
            return Ok(false);
        }
    }
    Ok(false)
}
