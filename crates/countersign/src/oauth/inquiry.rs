//! What introspection and revocation share: who asks about which token.

use countersign_protocol::{ClientId, Parameters, PresentedToken, TokenParameterMissing};

use super::client_auth::{AuthenticatedClient, ClientAuthError, authenticate};
use super::issue::IssueError;
use crate::app::App;
use crate::catalog::ResolvedMount;
use crate::limits::Exhausted;
use crate::source_address::SourceAddress;
use crate::store::StoreError;

/// Why a request about a token was not answered.
#[derive(Debug, thiserror::Error)]
pub enum TokenInquiryError {
    /// This node may not know what others have revoked, nor which keys they use.
    #[error("the change feed was not read for too long: what is revoked is not known")]
    Behind,
    /// The client is not authenticated.
    #[error(transparent)]
    ClientAuth(#[from] ClientAuthError),
    /// The answer was not signed.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no token to answer for.
    #[error(transparent)]
    TokenMissing(#[from] TokenParameterMissing),
    /// The client asks too often.
    #[error("too many requests of this client")]
    TooManyRequests(Exhausted),
}

/// An answer about a token, with the client as far as it was authenticated.
pub type TokenInquiry<T> = (Option<AuthenticatedClient>, Result<T, TokenInquiryError>);

/// Authenticates who asks, and lets `answer` say what the token is to them.
pub(super) async fn inquire<'h, T>(
    app: &App,
    mount: &ResolvedMount,
    source: SourceAddress,
    authorization: impl IntoIterator<Item = &'h [u8]>,
    parameters: &Parameters,
    answer: impl AsyncFnOnce(&ClientId, &PresentedToken) -> Result<T, TokenInquiryError>,
) -> TokenInquiry<T> {
    let client = match authenticate(app, mount, source, authorization, parameters, app.clock.now()).await {
        Ok(client) => client,
        Err(error) => return (None, Err(error.into())),
    };
    if let Err(exhausted) = app.limits.take_client_request(&client.client().id, source, app.clock.now()) {
        return (Some(client), Err(TokenInquiryError::TooManyRequests(exhausted)));
    }
    let answered = match PresentedToken::parse(parameters) {
        Ok(_) if app.is_behind() => Err(TokenInquiryError::Behind),
        Ok(presented) => answer(&client.client().id, &presented).await,
        Err(error) => Err(error.into()),
    };
    (Some(client), answered)
}
