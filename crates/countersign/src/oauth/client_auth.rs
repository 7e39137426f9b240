//! Authenticating a client, the same way at every endpoint (RFC 6749 section 2.3).

use std::collections::HashMap;
use std::sync::Arc;

use countersign_protocol::{
    ClientAuthParseError, ClientId, ClientSecretCredentials, Parameters, Timestamp, parse_client_authentication,
};
use tracing::Instrument as _;

use crate::app::App;
use crate::catalog::SecretHashers;
use crate::clients::{Client, SecretCredential, SecretHash};
use crate::ids::{CredentialId, HashKeyId};
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
}

/// Why a client is not authenticated.
#[derive(Debug, thiserror::Error)]
pub enum ClientAuthError {
    /// A hash key that a stored secret names is not there: a fault of ours.
    #[error("a hash key is missing")]
    HashKeyMissing,
    /// The secret is right, but the client is pinned to another method.
    #[error("the client is pinned to another authentication method")]
    MethodNotOfClient,
    /// One answer after the same work, whatever the reason: it is for the log.
    #[error("client authentication failed")]
    Refused {
        /// The client, if there is one. Anything else that was sent as `client_id` may
        /// be a secret in the wrong field.
        client_id: Option<ClientId>,
        /// Why.
        reason: RefusalReason,
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
    /// The client is disabled; the secret is right.
    ClientDisabled,
    /// There is no such client.
    ClientUnknown,
    /// Wrong, expired or revoked.
    SecretNotAccepted,
}

impl RefusalReason {
    /// As it appears in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientDisabled => "the client is disabled",
            Self::ClientUnknown => "there is no such client",
            Self::SecretNotAccepted => "the secret is wrong, expired or revoked",
        }
    }
}

/// Authenticates the client of a request, by its `Authorization` header values and
/// its body, within the budgets of its source address.
///
/// # Errors
/// [`ClientAuthError`].
pub async fn authenticate<'h>(
    app: &App,
    source: SourceAddress,
    authorization: impl IntoIterator<Item = &'h [u8]>,
    parameters: &Parameters,
    now: Timestamp,
) -> Result<AuthenticatedClient, ClientAuthError> {
    let presented = parse_client_authentication(authorization, parameters)?;
    authenticate_by_secret(app, source, presented, now).instrument(span!("authenticate client")).await
}

async fn authenticate_by_secret(
    app: &App,
    source: SourceAddress,
    presented: ClientSecretCredentials,
    now: Timestamp,
) -> Result<AuthenticatedClient, ClientAuthError> {
    let lookup = app.limits.admit(source, &presented.client_id, now).map_err(ClientAuthError::TooManyFailures)?;
    let outcome = verify(app, &presented, lookup, now).await;
    if let Err(ClientAuthError::Refused { client_id, .. }) = &outcome {
        app.limits.record_failure(source, &presented.client_id, client_id.as_ref(), now);
        if let Lookup::InMemory(exhausted) = lookup {
            app.limits.record_source_refusal();
            return Err(ClientAuthError::TooManyFailures(exhausted));
        }
    }
    outcome
}

async fn verify(
    app: &App,
    presented: &ClientSecretCredentials,
    lookup: Lookup,
    now: Timestamp,
) -> Result<AuthenticatedClient, ClientAuthError> {
    let client = match (ClientId::try_from(presented.client_id.as_str()), lookup) {
        (Ok(id), Lookup::Anywhere) => app.find_client(&id).await?,
        (Ok(id), Lookup::InMemory(_)) => app.find_client_in_memory(&id),
        (Err(_), _) => None,
    };
    let credentials = client.as_deref().map_or(&[][..], |client| &client.credentials);
    let matched = find_matching(&app.catalog().hashers, credentials, presented.client_secret.expose(), now)?;
    let client_id = client.as_ref().map(|client| client.id.clone());
    let refused = |reason| Err(ClientAuthError::Refused { client_id, reason });
    let (client, credential_id) = match (client, matched) {
        (Some(client), Some(_)) if client.disabled_at.is_some() => return refused(RefusalReason::ClientDisabled),
        (Some(client), Some(credential_id)) => (client, credential_id),
        (Some(_), None) => return refused(RefusalReason::SecretNotAccepted),
        (None, _) => return refused(RefusalReason::ClientUnknown),
    };
    if client.auth_method_enforced && client.auth_method != presented.method {
        return Err(ClientAuthError::MethodNotOfClient);
    }
    Ok(AuthenticatedClient { client, credential_id })
}

/// Whether the client would still be let in with the credential it used.
///
/// # Errors
/// [`ClientAuthError`].
pub(super) async fn confirm(app: &App, client: &AuthenticatedClient) -> Result<(), ClientAuthError> {
    let now = app.clock.now();
    let current = app.find_client(&client.client.id).await?;
    let is_live = |credential: &SecretCredential| credential.id == client.credential_id && credential.is_live(now);
    let reason = match current {
        None => RefusalReason::ClientUnknown,
        Some(current) if current.disabled_at.is_some() => RefusalReason::ClientDisabled,
        Some(current) if current.credentials.iter().any(is_live) => return Ok(()),
        Some(_) => RefusalReason::SecretNotAccepted,
    };
    Err(ClientAuthError::Refused { client_id: Some(client.client.id.clone()), reason })
}

/// The live credential whose hash the secret has. The secret is hashed under the
/// active key even when nothing can match, and every credential is compared.
fn find_matching(
    hashers: &SecretHashers,
    credentials: &[SecretCredential],
    secret: &str,
    now: Timestamp,
) -> Result<Option<CredentialId>, ClientAuthError> {
    let active = hashers.active().ok_or(ClientAuthError::HashKeyMissing)?;
    let mut hashes: HashMap<&HashKeyId, SecretHash> = HashMap::from([(active.id(), active.hash(secret))]);
    let mut matched = None;
    for credential in credentials {
        let hasher = hashers.find(&credential.hash_key_id).ok_or(ClientAuthError::HashKeyMissing)?;
        let presented = hashes.entry(hasher.id()).or_insert_with(|| hasher.hash(secret));
        if presented.equals(&credential.hash) && credential.is_live(now) {
            matched = Some(credential.id.clone());
        }
    }
    Ok(matched)
}
