//! The token endpoint's steps, in order.

use countersign_protocol::{ClientCredentialsRequest, Parameters, Timestamp, TokenRequest, TokenRequestError, TokenResponse};

use super::birth::Birth;
use super::client_auth::{AuthenticatedClient, ClientAuthError, authenticate, confirm};
use super::grants::client_credentials::{self, ClientCredentialsError};
use super::issue::{self, IssueError};
use crate::app::App;
use crate::catalog::ResolvedMount;

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
}

/// Answers a token request: every check comes before any effect.
///
/// # Errors
/// [`TokenError`], with the client as far as it was authenticated.
pub async fn token<'h>(
    app: &App,
    mount: &ResolvedMount,
    authorization: impl IntoIterator<Item = &'h [u8]>,
    parameters: &Parameters,
) -> (Option<AuthenticatedClient>, Result<TokenResponse, TokenError>) {
    let now = app.clock.now();
    let changes_before = app.client_changes();
    let client = match authenticate(app, authorization, parameters, now).await {
        Ok(client) => client,
        Err(error) => return (None, Err(error.into())),
    };
    let mut response = match TokenRequest::parse(parameters) {
        Ok(TokenRequest::ClientCredentials(ask)) => issue_alive(app, &client, mount, &ask, now).await,
        Err(error) => Err(error.into()),
    };
    // Once a change was acknowledged on this node, no token leaves it that the
    // change forbids, however long the signature took.
    if response.is_ok()
        && app.client_changes() != changes_before
        && let Err(error) = confirm(app, &client).await
    {
        response = Err(error.into());
    }
    (Some(client), response)
}

/// Issues a token that no mark has revoked. While a mark lies ahead, the request
/// waits for it: at most a second and the backdating.
async fn issue_alive(
    app: &App,
    client: &AuthenticatedClient,
    mount: &ResolvedMount,
    ask: &ClientCredentialsRequest,
    mut now: Timestamp,
) -> Result<TokenResponse, TokenError> {
    let mut current = None;
    for _ in 0..MAX_ROUNDS {
        let mount = current.as_ref().unwrap_or(mount);
        let spec = client_credentials::decide(client, mount, ask, now)?;
        let birth = Birth::of(app, client, &spec);
        if let Some(time) = birth.waits_until(app)? {
            app.timer.wait_until(time).await;
        } else {
            let response = issue::access_token(app, spec).await?;
            // A mark that was set during the signature is about this token too.
            if birth.is_alive(app) {
                return Ok(response);
            }
        }
        // Meanwhile the key may have been removed.
        current = Some(app.catalog().refreshed(mount));
        now = app.clock.now();
    }
    Err(IssueError::Overtaken.into())
}
