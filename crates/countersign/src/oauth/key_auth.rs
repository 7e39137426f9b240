//! Authenticating who presents an API key as a subject token (RFC 8693 section 2.1): the key
//! proves itself, and a client that is named must be its own.

use std::net::IpAddr;

use countersign_protocol::{ClientAuthParseError, ClientId, CredentialText, Parameters, Secret, Timestamp, TokenExchangeRequest};

use super::client_auth::{ClientAuthError, authenticate};
use crate::api_keys::{self, AcceptedKey, FindKeyError, FoundKey, KeyAudience, VerdictCode, VerifyError, VerifyRequest};
use crate::app::App;
use crate::catalog::ResolvedMount;
use crate::clients::Client;
use crate::ids::{CredentialId, ResourceServerId};
use crate::limits::{Exhausted, Lookup};
use crate::source_address::SourceAddress;
use crate::store::StoreError;

/// What the failures of keys are counted under that are not ours by their form.
const FOREIGN_FORM: &str = "imported key";

/// An API key that was presented and is in force. Only `authenticate_key` makes one.
#[derive(Clone, Debug)]
pub struct AuthenticatedKey {
    accepted: AcceptedKey,
    credential_id: CredentialId,
    source: Option<IpAddr>,
}

/// Why an API key is not exchanged.
#[derive(Debug, thiserror::Error)]
pub enum KeyAuthError {
    /// A limit of the key or its client is reached, or its credits are used up.
    #[error("the API key is used up for now: {}", .code.as_str())]
    Exhausted {
        /// Which of the two.
        code: VerdictCode,
        /// The key.
        key: FoundKey,
        /// When it is worth another try.
        retry_after_seconds: u64,
    },
    /// Nothing is known of the key: a fault of ours, or too much of one.
    #[error(transparent)]
    Find(#[from] FindKeyError),
    /// One answer, whatever the reason: it is for the log.
    #[error("the API key is not accepted: {}", .code.as_str())]
    NotAccepted {
        /// Why.
        code: VerdictCode,
        /// The key, if there is one.
        key: Option<FoundKey>,
    },
    /// The client that the request names is another.
    #[error("the API key belongs to another client")]
    OfAnotherClient(AuthenticatedKey),
    /// The store failed: the key was not judged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The use could not be counted.
    #[error(transparent)]
    Uncounted(VerifyError),
    /// The source address failed too often. Right and wrong were not told apart, or it
    /// was wrong.
    #[error("too many failed authentications from this address")]
    TooManyFailures(Exhausted),
}

impl AuthenticatedKey {
    /// The key.
    pub const fn accepted(&self) -> &AcceptedKey {
        &self.accepted
    }

    /// The client that it is a key of.
    pub fn client(&self) -> &Client {
        self.accepted.client()
    }

    /// The key as a credential.
    pub const fn credential_id(&self) -> &CredentialId {
        &self.credential_id
    }

    /// Lets the key in once more, as it is now.
    ///
    /// # Errors
    /// [`KeyAuthError`].
    pub(super) async fn again(&self, app: &App) -> Result<Self, KeyAuthError> {
        let (key, secret_id) = (self.accepted.key(), self.accepted.secret_id());
        let accepted = AcceptedKey::again(app, &key.id, secret_id).await?;
        Self::accept(accepted, self.source, None)
    }

    /// Counts the exchange as a use of the key, which may be one too many.
    ///
    /// # Errors
    /// [`KeyAuthError`].
    pub(super) async fn count_use(
        &self,
        app: &App,
        text: &Secret<String>,
        resource_server: &ResourceServerId,
    ) -> Result<(), KeyAuthError> {
        let verdict = api_keys::verify(
            app,
            VerifyRequest {
                address: self.source,
                resource_server: Some(KeyAudience::ResourceServer(resource_server.clone())),
                ..VerifyRequest::of(text.clone())
            },
        );
        let verdict = verdict.await.map_err(|error| match error {
            VerifyError::Find(error) => error.into(),
            VerifyError::Store(error) => error.into(),
            error @ (VerifyError::Uncounted | VerifyError::UnknownLimit(_)) => KeyAuthError::Uncounted(error),
        })?;
        let (code, key) = (verdict.code, self.accepted.found().clone());
        match code {
            VerdictCode::Valid => Ok(()),
            VerdictCode::RateLimited | VerdictCode::UsageExceeded => {
                Err(KeyAuthError::Exhausted { code, key, retry_after_seconds: verdict.retry_after_seconds(app.clock.now()) })
            }
            VerdictCode::NotFound
            | VerdictCode::Revoked
            | VerdictCode::Disabled
            | VerdictCode::Expired
            | VerdictCode::Forbidden
            | VerdictCode::InsufficientPermissions => Err(KeyAuthError::NotAccepted { code, key: Some(key) }),
        }
    }

    /// Whether nothing has changed about the key since `before`, as this node has heard.
    pub(super) fn is_unchanged_since(&self, before: &Self) -> bool {
        self.accepted.is_unchanged_since(&before.accepted)
    }

    fn accept(
        accepted: Result<AcceptedKey, VerdictCode>,
        source: Option<IpAddr>,
        found: Option<FoundKey>,
    ) -> Result<Self, KeyAuthError> {
        let accepted = accepted.map_err(|code| KeyAuthError::NotAccepted { code, key: found })?;
        if !accepted.is_accepted_from(source) {
            return Err(KeyAuthError::NotAccepted { code: VerdictCode::Forbidden, key: Some(accepted.found().clone()) });
        }
        Ok(Self { credential_id: accepted.key().id.as_credential(), accepted, source })
    }
}

/// Authenticates the key of a token exchange, within the budgets of its source address.
///
/// # Errors
/// [`KeyAuthError`].
pub(super) async fn authenticate_key(
    app: &App,
    source: SourceAddress,
    ask: &TokenExchangeRequest,
    now: Timestamp,
) -> Result<AuthenticatedKey, KeyAuthError> {
    let text = ask.subject_token.expose().as_str();
    let presented = CredentialText::parse(text);
    let name = presented.as_ref().map_or(FOREIGN_FORM, CredentialText::id);
    let lookup = app.limits.admit(source, name, now).map_err(KeyAuthError::TooManyFailures)?;
    let address = (source != SourceAddress::NONE).then(|| source.ip());
    let judged = judge(app, text, address, lookup).await;
    if let Err(KeyAuthError::NotAccepted { key, .. }) = &judged {
        app.limits.record_failure(source, name, key.as_ref().map(|found| &found.key.client_id), now);
        if let Lookup::InMemory(exhausted) = lookup {
            app.limits.record_source_refusal();
            return Err(KeyAuthError::TooManyFailures(exhausted));
        }
    }
    judged
}

async fn judge(app: &App, text: &str, address: Option<IpAddr>, lookup: Lookup) -> Result<AuthenticatedKey, KeyAuthError> {
    let found = match lookup {
        Lookup::Anywhere => api_keys::find_presented(app, text, address).await?,
        Lookup::InMemory(_) => api_keys::find_presented_in_memory(app, text),
    };
    let Some(found) = found else { return Err(KeyAuthError::NotAccepted { code: VerdictCode::NotFound, key: None }) };
    let accepted = AcceptedKey::of(app, found.clone()).await?;
    AuthenticatedKey::accept(accepted, address, Some(found))
}

/// The client that a token exchange names: RFC 8693 section 2.1 lets it authenticate, and
/// does not ask it to. One that only says who it is, is named too.
///
/// # Errors
/// [`ClientAuthError`].
pub(super) async fn named_client<'h>(
    app: &App,
    mount: &ResolvedMount,
    source: SourceAddress,
    authorization: impl IntoIterator<Item = &'h [u8]>,
    parameters: &Parameters,
    now: Timestamp,
) -> Result<Option<NamedClient>, ClientAuthError> {
    match authenticate(app, mount, source, authorization, parameters, now).await {
        Ok(client) => Ok(Some(NamedClient(client.client().id.to_string()))),
        Err(ClientAuthError::Unreadable(ClientAuthParseError::Missing)) if parameters.find("client_secret").is_none() => {
            Ok(parameters.find("client_id").map(|id| NamedClient(id.to_owned())))
        }
        Err(error) => Err(error),
    }
}

/// Whoever a request says that it is from.
pub(super) struct NamedClient(String);

impl NamedClient {
    pub(super) fn is(&self, client: &ClientId) -> bool {
        self.0 == client.as_str()
    }
}
