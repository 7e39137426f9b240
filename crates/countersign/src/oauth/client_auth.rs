//! Authenticating a client: by its secret (RFC 6749 section 2.3.1), or by its signature
//! (`client_assertion.rs`).

use std::sync::Arc;

use countersign_protocol::{
    AssertionError, ClientAuthMethod, ClientAuthParseError, ClientId, ClientSecretCredentials, Issuer, Parameters,
    PresentedCredentials, Timestamp, parse_client_authentication,
};
use countersign_verify::KeysUnavailable;
use tracing::Instrument as _;

use super::client_assertion;
use crate::app::App;
use crate::catalog::{ResolvedMount, SecretHashers};
use crate::clients::{Client, Credential, CredentialKind};
use crate::ids::CredentialId;
use crate::limits::{Exhausted, Lookup};
use crate::source_address::SourceAddress;
use crate::store::StoreError;
use crate::traces::span;

/// A client that proved who it is. Only [`authenticate`] makes one, and a grant
/// accepts nothing else.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient {
    client: Arc<Client>,
    credential_id: CredentialId,
    method: ClientAuthMethod,
}

impl AuthenticatedClient {
    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The credential it used.
    pub const fn credential_id(&self) -> &CredentialId {
        &self.credential_id
    }

    /// Whether nothing has changed about the client since `before`, as this node has heard,
    /// and it used the same credential.
    pub(super) fn is_unchanged_since(&self, before: &Self) -> bool {
        // Any change of a client, its credentials or its grants makes it be read anew.
        Arc::ptr_eq(&self.client, &before.client) && self.credential_id == before.credential_id
    }

    /// How it presented that.
    pub const fn method(&self) -> ClientAuthMethod {
        self.method
    }
}

/// Why a client is not authenticated.
#[derive(Debug, thiserror::Error)]
pub enum ClientAuthError {
    /// The assertion is wrong, whoever sent it.
    #[error(transparent)]
    Assertion(#[from] AssertionError),
    /// The client signed an assertion that is not right for here and now.
    #[error("{error}")]
    AssertionOf {
        /// Who signed it.
        by: AuthenticatedClient,
        /// Whom it should have been for.
        issuer: Issuer,
        /// What is wrong.
        error: AssertionError,
        /// What it says there.
        found: Option<String>,
    },
    /// The client signed it, and it was used before.
    #[error("the assertion was used before")]
    AssertionReplayed {
        /// Who signed it.
        by: AuthenticatedClient,
    },
    /// A hash key that a stored secret names is not there: a fault of ours.
    #[error("a hash key is missing")]
    HashKeyMissing,
    /// The keys at the client's `jwks_uri` cannot be had: the client was not judged.
    #[error("the keys at the client's jwks_uri cannot be fetched")]
    KeysUnavailable(#[from] KeysUnavailable),
    /// The credential is right, but the client is pinned to another method.
    #[error("the client is pinned to another authentication method")]
    MethodNotOfClient(AuthenticatedClient),
    /// One answer after the same work, whatever the reason: it is for the log.
    #[error("client authentication failed")]
    Refused {
        /// The client, if there is one. Anything else that was sent as `client_id` may
        /// be a secret in the wrong field.
        client: Option<Arc<Client>>,
        /// Why.
        reason: RefusalReason,
        /// The credential that would fit, were it or the client in force.
        would_fit: Option<CredentialId>,
    },
    /// The store failed: the client was not judged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The request's credentials cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ClientAuthParseError),
    /// The source address failed too often. Right and wrong were not told apart, or
    /// it was wrong.
    #[error("too many failed authentications from this address")]
    TooManyFailures(Exhausted),
}

/// Why an authentication was refused; never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// The client is disabled; the credential is right.
    ClientDisabled,
    /// There is no such client.
    ClientUnknown,
    /// Wrong, expired or revoked.
    SecretNotAccepted,
    /// By no key of the client that is in force.
    SignatureNotAccepted,
}

impl RefusalReason {
    /// As it appears in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientDisabled => "the client is disabled",
            Self::ClientUnknown => "there is no such client",
            Self::SecretNotAccepted => "the secret is wrong, expired or revoked",
            Self::SignatureNotAccepted => "the signature is by no key of the client, or by one that is expired or revoked",
        }
    }
}

/// Authenticates the client of a request to an endpoint of `mount`, by its
/// `Authorization` header values and its body, within the budgets of its source address.
///
/// # Errors
/// [`ClientAuthError`].
pub async fn authenticate<'h>(
    app: &App,
    mount: &ResolvedMount,
    source: SourceAddress,
    authorization: impl IntoIterator<Item = &'h [u8]>,
    parameters: &Parameters,
    now: Timestamp,
) -> Result<AuthenticatedClient, ClientAuthError> {
    let presented = parse_client_authentication(authorization, parameters)?;
    judge(app, mount, source, &presented, now).instrument(span!("authenticate client")).await
}

async fn judge(
    app: &App,
    mount: &ResolvedMount,
    source: SourceAddress,
    presented: &PresentedCredentials,
    now: Timestamp,
) -> Result<AuthenticatedClient, ClientAuthError> {
    match presented {
        PresentedCredentials::Assertion(presented) => {
            let assertion = presented.parse()?;
            let attempt = Attempt::admit(app, source, assertion.client_id(), now)?;
            // On the heap: it is large, and most clients use secrets.
            let authenticated = Box::pin(client_assertion::authenticate(app, mount, &assertion, attempt.lookup, now)).await;
            attempt.settle(app, authenticated)
        }
        PresentedCredentials::Secret(secret) => {
            let attempt = Attempt::admit(app, source, &secret.client_id, now)?;
            attempt.settle(app, authenticate_by_secret(app, secret, attempt.lookup, now).await)
        }
    }
}

/// An authentication that the budgets of its source address admit.
struct Attempt<'a> {
    source: SourceAddress,
    client_id: &'a str,
    lookup: Lookup,
    now: Timestamp,
}

impl<'a> Attempt<'a> {
    fn admit(app: &App, source: SourceAddress, client_id: &'a str, now: Timestamp) -> Result<Self, ClientAuthError> {
        let lookup = app.limits.admit(source, client_id, now).map_err(ClientAuthError::TooManyFailures)?;
        Ok(Self { source, client_id, lookup, now })
    }

    /// Counts a refusal. What could be looked for in memory only is not told apart.
    fn settle(
        &self,
        app: &App,
        outcome: Result<AuthenticatedClient, ClientAuthError>,
    ) -> Result<AuthenticatedClient, ClientAuthError> {
        if let Err(ClientAuthError::Refused { client, .. }) = &outcome {
            app.limits.record_failure(self.source, self.client_id, client.as_deref().map(|client| &client.id), self.now);
            if let Lookup::InMemory(exhausted) = self.lookup {
                app.limits.record_source_refusal();
                return Err(ClientAuthError::TooManyFailures(exhausted));
            }
        }
        outcome
    }
}

async fn authenticate_by_secret(
    app: &App,
    presented: &ClientSecretCredentials,
    lookup: Lookup,
    now: Timestamp,
) -> Result<AuthenticatedClient, ClientAuthError> {
    let client = find_client(app, &presented.client_id, lookup).await?;
    let credentials = client.as_deref().map_or(&[][..], |client| &client.credentials);
    let matched = find_matching(&app.catalog().hashers, credentials, presented.client_secret.expose(), now)?;
    settle(client, matched, presented.method, RefusalReason::SecretNotAccepted)
}

/// The client with this id, which may be any text.
pub(super) async fn find_client(app: &App, id: &str, lookup: Lookup) -> Result<Option<Arc<Client>>, StoreError> {
    match (ClientId::try_from(id), lookup) {
        (Ok(id), Lookup::Anywhere) => app.find_client(&id).await,
        (Ok(id), Lookup::InMemory(_)) => Ok(app.find_client_in_memory(&id)),
        (Err(_), _) => Ok(None),
    }
}

/// What follows from the client that was named and the credential that fits.
pub(super) fn settle(
    client: Option<Arc<Client>>,
    matched: Match,
    method: ClientAuthMethod,
    no_match: RefusalReason,
) -> Result<AuthenticatedClient, ClientAuthError> {
    let refused = |client, reason, would_fit| Err(ClientAuthError::Refused { client, reason, would_fit });
    let (client, credential_id) = match (client, matched) {
        (Some(client), Match::Live(id)) if client.disabled_at.is_some() => {
            return refused(Some(client), RefusalReason::ClientDisabled, Some(id));
        }
        (Some(client), Match::Live(credential_id)) => (client, credential_id),
        (Some(client), Match::NotLive(id)) => return refused(Some(client), no_match, Some(id)),
        (Some(client), Match::None) => return refused(Some(client), no_match, None),
        (None, _) => return refused(None, RefusalReason::ClientUnknown, None),
    };
    let (is_enforced, own_method) = (client.auth_method_enforced, client.auth_method);
    let authenticated = AuthenticatedClient { client, credential_id, method };
    if is_enforced && own_method != method {
        return Err(ClientAuthError::MethodNotOfClient(authenticated));
    }
    Ok(authenticated)
}

/// What of a client's credentials fits what was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// One that is accepted.
    Live(CredentialId),
    /// Nothing.
    None,
    /// One that is expired, revoked or not accepted yet.
    NotLive(CredentialId),
}

impl Match {
    fn or(self, other: Self) -> Self {
        if self == Self::None { other } else { self }
    }

    pub(super) fn of_live(credential: Option<CredentialId>) -> Self {
        credential.map_or(Self::None, Self::Live)
    }
}

/// Lets a client in once more with the credential that it used, as both are now.
///
/// # Errors
/// [`ClientAuthError`].
pub(super) async fn authenticate_again(app: &App, before: &AuthenticatedClient) -> Result<AuthenticatedClient, ClientAuthError> {
    let now = app.clock.now();
    let current = app.find_client(&before.client.id).await?;
    let is_live = |credential: &&Credential| credential.id == before.credential_id && credential.is_live(now);
    let credentials = current.as_deref().map_or(&[][..], |client| &client.credentials);
    let matched = Match::of_live(credentials.iter().find(is_live).map(|credential| credential.id.clone()));
    let no_match = if before.method.uses_secret() { RefusalReason::SecretNotAccepted } else { RefusalReason::SignatureNotAccepted };
    settle(current, matched, before.method, no_match)
}

/// The live credential whose hash the secret has. The secret is hashed under the
/// active key even when nothing can match, and every secret is compared.
fn find_matching(
    hashers: &SecretHashers,
    credentials: &[Credential],
    secret: &str,
    now: Timestamp,
) -> Result<Match, ClientAuthError> {
    let active = hashers.active().ok_or(ClientAuthError::HashKeyMissing)?;
    let mut hashes = vec![(active.id(), active.hash(secret))];
    let mut matched = Match::None;
    for credential in credentials {
        let CredentialKind::Secret { hash_key_id, hash } = &credential.kind else { continue };
        if !hashes.iter().any(|(id, _)| *id == hash_key_id) {
            let hasher = hashers.find(hash_key_id).ok_or(ClientAuthError::HashKeyMissing)?;
            hashes.push((hasher.id(), hasher.hash(secret)));
        }
        let presented = hashes.iter().find(|(id, _)| *id == hash_key_id);
        if presented.is_some_and(|(_, presented)| presented.equals(hash)) {
            let id = credential.id.clone();
            matched = if credential.is_live(now) { Match::Live(id) } else { matched.or(Match::NotLive(id)) };
        }
    }
    Ok(matched)
}
