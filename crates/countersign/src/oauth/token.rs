//! The token endpoint's steps, in order.

use std::sync::Arc;

use countersign_protocol::jose::Algorithm;
use countersign_protocol::{ClientCredentialsRequest, Parameters, Timestamp, TokenRequest, TokenRequestError, TokenResponse};

use super::birth::Birth;
use super::client_auth::{AuthenticatedClient, ClientAuthError, authenticate, confirm};
use super::grants::client_credentials::{self, ClientCredentialsError};
use super::issue::{self, IssueError};
use crate::app::App;
use crate::catalog::{LoadedAuthorizationServer, ResolvedMount};
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
    mount: &ResolvedMount,
    source: SourceAddress,
    authorization: impl IntoIterator<Item = &'h [u8]>,
    parameters: &Parameters,
) -> (Option<AuthenticatedClient>, Result<TokenResponse, TokenError>) {
    let now = app.clock.now();
    let changes_before = app.client_changes();
    let client = match authenticate(app, mount, source, authorization, parameters, now).await {
        Ok(client) => client,
        Err(error) => return (None, Err(error.into())),
    };
    if let Err(exhausted) = app.limits.take_client_request(&client.client().id, source, now) {
        return (Some(client), Err(TokenError::TooManyRequests(exhausted)));
    }
    let mut issued = match TokenRequest::parse(parameters) {
        Ok(TokenRequest::ClientCredentials(ask)) => issue_alive(app, &client, mount, &ask, now).await,
        Err(error) => Err(error.into()),
    };
    // Once a change was acknowledged on this node, no token leaves it that the
    // change forbids, however long the signature took.
    if issued.is_ok()
        && app.client_changes() != changes_before
        && let Err(error) = confirm(app, &client).await
    {
        issued = Err(error.into());
    }
    if let Ok(issued) = &issued {
        app.metrics.tokens.issued(issued.server.id.as_str(), CLIENT_CREDENTIALS, issued.algorithm);
    }
    (Some(client), issued.map(|issued| issued.response))
}

/// A token, and who signed it.
struct Issued {
    response: TokenResponse,
    server: Arc<LoadedAuthorizationServer>,
    algorithm: Algorithm,
}

/// Issues a token that no mark has revoked. While a mark lies ahead, the request
/// waits for it: at most a second and the backdating.
async fn issue_alive(
    app: &App,
    client: &AuthenticatedClient,
    mount: &ResolvedMount,
    ask: &ClientCredentialsRequest,
    mut now: Timestamp,
) -> Result<Issued, TokenError> {
    let mut current = None;
    for _ in 0..MAX_ROUNDS {
        let mount = current.as_ref().unwrap_or(mount);
        let spec = span!("decide").in_scope(|| client_credentials::decide(client, mount, ask, now))?;
        let birth = Birth::of(app, client, &spec);
        if let Some(time) = birth.waits_until(app)? {
            app.timer.wait_until(time).await;
        } else {
            let (server, algorithm) = (Arc::clone(&spec.server), spec.signing_alg);
            let response = issue::access_token(app, spec).await?;
            // A mark that was set during the signature is about this token too.
            if birth.is_alive(app) {
                return Ok(Issued { response, server, algorithm });
            }
        }
        // Meanwhile the key may have been removed.
        current = Some(app.catalog().refreshed(mount));
        now = app.clock.now();
    }
    Err(IssueError::Overtaken.into())
}
