//! The token endpoint's steps, in order.

use std::sync::Arc;

use countersign_protocol::{
    GrantType, Parameters, Timestamp, TokenExchangeRequest, TokenRequest, TokenRequestError, TokenResponse,
};

use super::account;
use super::birth::Birth;
use super::client_auth::{ClientAuthError, authenticate};
use super::grants::client_credentials::ClientCredentialsError;
use super::grants::token_exchange::{self, TokenExchangeError};
use super::issue::{self, AccessTokenSpec, IssueError};
use super::key_auth::{AuthenticatedKey, KeyAuthError, authenticate_key, named_client};
use super::requester::{Asked, Requester};
use crate::app::App;
use crate::catalog::ResolvedMount;
use crate::limits::Exhausted;
use crate::source_address::SourceAddress;
use crate::traces::span;

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
    /// The API key is not authenticated.
    #[error(transparent)]
    KeyAuth(#[from] KeyAuthError),
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
    /// The API key is not exchanged for what was asked.
    #[error(transparent)]
    TokenExchange(#[from] TokenExchangeError),
}

/// Answers a token request: every check comes before any effect.
///
/// # Errors
/// [`TokenError`], with who asks as far as that was authenticated.
pub async fn token<'h>(
    app: &App,
    mount: &Arc<ResolvedMount>,
    source: SourceAddress,
    authorization: impl IntoIterator<Item = &'h [u8]>,
    parameters: &Parameters,
) -> (Option<Requester>, Result<TokenResponse, TokenError>) {
    if GrantType::of(parameters) == Ok(GrantType::TokenExchange) {
        // On the heap: most tokens are asked for by client credentials.
        return Box::pin(exchange(app, mount, source, authorization, parameters)).await;
    }
    let now = app.clock.now();
    let changes = Changes::until_now(app);
    let client = match authenticate(app, mount, source, authorization, parameters, now).await {
        Ok(client) => client,
        Err(error) => return (None, Err(error.into())),
    };
    if let Err(exhausted) = app.limits.take_client_request(&client.client().id, source, now) {
        return (Some(Requester::Client(client)), Err(TokenError::TooManyRequests(exhausted)));
    }
    let ask = match TokenRequest::parse(parameters) {
        Ok(TokenRequest::ClientCredentials(ask)) => ask,
        // Which grant it is was asked above.
        Ok(TokenRequest::TokenExchange(_)) => {
            return (Some(Requester::Client(client)), Err(TokenRequestError::GrantTypeUnsupported.into()));
        }
        Err(error) => return (Some(Requester::Client(client)), Err(error.into())),
    };
    let mut known = Known { asked: Asked::ClientCredentials { client, ask }, mount: Arc::clone(mount), changes };
    let issued = issue_alive(app, &mut known, now).await;
    (Some(known.asked.into_requester()), issued.map(|issued| account_for(app, issued)))
}

/// Exchanges an API key for a token (RFC 8693).
async fn exchange<'h>(
    app: &App,
    mount: &Arc<ResolvedMount>,
    source: SourceAddress,
    authorization: impl IntoIterator<Item = &'h [u8]>,
    parameters: &Parameters,
) -> (Option<Requester>, Result<TokenResponse, TokenError>) {
    let now = app.clock.now();
    let changes = Changes::until_now(app);
    let authenticated = async {
        let ask = TokenExchangeRequest::parse(parameters)?;
        let named = named_client(app, mount, source, authorization, parameters, now).await?;
        let key = authenticate_key(app, source, &ask, now).await?;
        match named {
            Some(named) if !named.is(&key.client().id) => Err(TokenError::from(KeyAuthError::OfAnotherClient(key))),
            Some(_) | None => Ok((key, ask)),
        }
    };
    let (key, ask) = match authenticated.await {
        Ok(authenticated) => authenticated,
        Err(error) => return (None, Err(error)),
    };
    if let Err(exhausted) = app.limits.take_client_request(&key.client().id, source, now) {
        return (Some(Requester::Key(key)), Err(TokenError::TooManyRequests(exhausted)));
    }
    if let Err(error) = count_use(app, mount, &key, &ask, now).await {
        return (Some(Requester::Key(key)), Err(error));
    }
    let mut known = Known { asked: Asked::TokenExchange { key, ask }, mount: Arc::clone(mount), changes };
    let issued = issue_alive(app, &mut known, now).await;
    (Some(known.asked.into_requester()), issued.map(|issued| account_for(app, issued)))
}

/// Counts an exchange as a use of the key, once nothing else speaks against it.
async fn count_use(
    app: &App,
    mount: &ResolvedMount,
    key: &AuthenticatedKey,
    ask: &TokenExchangeRequest,
    now: Timestamp,
) -> Result<(), TokenError> {
    let spec = token_exchange::decide(key.accepted(), mount, ask, now)?;
    Ok(key.count_use(app, &ask.subject_token, &spec.resource_server.id).await?)
}

fn account_for(app: &App, issued: Issued) -> TokenResponse {
    let Issued { response, spec, is_reused } = issued;
    if is_reused {
        account::of_reused(app, &spec, response.expires_in);
    } else {
        app.metrics.tokens.issued(spec.server.id.as_str(), spec.obtained_by.grant_name(), spec.signature());
        account::of_issued(app, &spec);
    }
    response
}

/// What a token is decided by, as this node has heard of it.
struct Known {
    asked: Asked,
    mount: Arc<ResolvedMount>,
    /// Counted before the client was read.
    changes: Changes,
}

/// How many changes of clients and of API keys this node has heard of.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Changes {
    of_clients: u64,
    of_keys: u64,
}

impl Changes {
    fn until_now(app: &App) -> Self {
        Self { of_clients: app.client_changes(), of_keys: app.api_key_changes() }
    }
}

impl Known {
    fn is_current(&self, app: &App) -> bool {
        let changes = Changes::until_now(app);
        let is_unchanged = match self.asked {
            Asked::ClientCredentials { .. } => changes.of_clients == self.changes.of_clients,
            Asked::TokenExchange { .. } => changes == self.changes,
        };
        is_unchanged && app.catalog().holds(&self.mount.server)
    }

    /// Lets who asks in once more, as everything is now.
    async fn renew(&mut self, app: &App) -> Result<(), TokenError> {
        self.changes = Changes::until_now(app);
        self.asked.renew(app).await?;
        self.mount = app.catalog().refreshed(&self.mount).ok_or(TokenError::MountGone)?;
        Ok(())
    }

    fn decide(&self, now: Timestamp) -> Result<AccessTokenSpec, TokenError> {
        self.asked.decide(&self.mount, now)
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
async fn issue_alive(app: &App, known: &mut Known, mut now: Timestamp) -> Result<Issued, TokenError> {
    for _ in 0..MAX_ROUNDS {
        let spec = span!("decide").in_scope(|| known.decide(now))?;
        let birth = Birth::of(&spec);
        if let Some(time) = birth.waits_until(app)? {
            app.timer.wait_until(time).await;
        } else {
            let live = app.live_tokens.find(app, &known.asked, &spec);
            if let Some(response) = live.filter(|_| known.is_current(app)) {
                return Ok(Issued { response, spec, is_reused: true });
            }
            let made = issue::access_token(app, &spec).await?;
            // What changed during the signature is about this token too.
            if is_still_due(app, known, &birth).await? && birth.is_alive(app) {
                app.live_tokens.keep(&known.asked, &spec, &made);
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
async fn is_still_due(app: &App, known: &mut Known, birth: &Birth<'_>) -> Result<bool, TokenError> {
    for _ in 0..MAX_ROUNDS {
        if known.is_current(app) {
            return Ok(true);
        }
        known.renew(app).await?;
        let spec = birth.spec();
        if !known.decide(spec.now)?.has_terms_of(spec) || !birth.has_accepted_key(&known.mount.server) {
            return Ok(false);
        }
    }
    Ok(false)
}
