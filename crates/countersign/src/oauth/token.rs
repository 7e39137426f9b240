//! The token endpoint's steps, in order.

use countersign_protocol::{
    ClientAuthParseError, Parameters, TokenRequest, TokenRequestError, TokenResponse, parse_client_authentication,
};

use super::client_auth::{AuthenticatedClient, ClientAuthError, authenticate, confirm};
use super::grants::client_credentials::{self, ClientCredentialsError};
use super::issue::{self, IssueError};
use crate::app::App;
use crate::catalog::ResolvedMount;

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The client is not authenticated.
    #[error(transparent)]
    ClientAuth(#[from] ClientAuthError),
    /// The request's credentials cannot be read.
    #[error(transparent)]
    ClientAuthParse(#[from] ClientAuthParseError),
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
    let client = match parse_client_authentication(authorization, parameters) {
        Ok(presented) => authenticate(app, presented, now).await.map_err(TokenError::from),
        Err(error) => Err(error.into()),
    };
    let client = match client {
        Ok(client) => client,
        Err(error) => return (None, Err(error)),
    };
    let decided = TokenRequest::parse(parameters).map_err(TokenError::from).and_then(|request| match request {
        TokenRequest::ClientCredentials(ask) => Ok(client_credentials::decide(&client, mount, &ask, now)?),
    });
    let mut response = match decided {
        Ok(spec) => issue::access_token(app, spec).await.map_err(TokenError::from),
        Err(error) => Err(error),
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
