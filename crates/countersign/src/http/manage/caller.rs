//! Who calls: the management API is protected by the product itself.

use std::sync::{Arc, OnceLock};

use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::Response;
use countersign_protocol::{BearerChallenge, ClientId, CredentialText, ErrorCode, Scope, Secret, Timestamp};
use countersign_verify::{Presented, PresentedError};
use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::refusal::Refusal;
use crate::api_keys::{self, KeyAudience, Verdict, VerdictCode, VerifyRequest};
use crate::app::App;
use crate::audit::{Actor, Repeatable};
use crate::change::ChangeError;
use crate::clients::{self, Client};
use crate::http::errors::{add_to_outcome, explained, problem};
use crate::http::middleware::RequestId;
use crate::ids::{ApiKeyId, AuthorizationServerId, CredentialId, OrganizationId};
use crate::management::{Right, resource_server_id};
use crate::oauth::{Holder, IssuedToken, read_issued};
use crate::source_address::SourceAddress;
use crate::store::StoreError;

/// For how long somebody with an API key goes on with what it began.
const KEY_GOES_ON_SECONDS: i64 = 600;
/// The realm of the challenges.
const REALM: &str = "countersign management";

/// A caller with a valid access token for this API, or an API key of it. What it may do is
/// asked by [`Caller::require`].
#[derive(Debug)]
pub(in crate::http) struct Caller {
    client: Arc<Client>,
    proof: Proof,
    request_id: String,
    source: SourceAddress,
}

/// What a caller is known by.
#[derive(Debug)]
enum Proof {
    /// An access token.
    Token(Arc<IssuedToken>),
    /// An API key, and what it may do.
    Key { id: ApiKeyId, scope: Scope },
}

impl Proof {
    /// As the log and the refusals name it.
    fn name(&self) -> CredentialId {
        match self {
            Self::Token(token) => token.credential_id.clone(),
            Self::Key { id, .. } => CredentialId::from_stored(id.as_str()),
        }
    }

    fn scope(&self) -> &Scope {
        match self {
            Self::Token(token) => &token.scope,
            Self::Key { scope, .. } => scope,
        }
    }
}

impl Caller {
    /// Finds out who calls, from the access token or the API key in the headers.
    pub(in crate::http) async fn identify(
        app: &App,
        headers: &HeaderMap,
        source: SourceAddress,
        request_id: String,
    ) -> Result<Self, Refusal> {
        let presented = Presented::from_headers(headers).map_err(not_presented)?;
        // No token has a key's form and its checksum.
        if CredentialText::parse(presented.token()).is_ok() {
            // On the heap: most callers have a token.
            return Box::pin(Self::of_key(app, presented.token(), source, request_id)).await;
        }
        let token = read_token(app, presented.token()).map_err(invalid)?;
        let holder = Holder::of(app, &token).await?;
        let holder = holder.filter(|holder| is_live(app, holder, &token)).ok_or_else(|| no_longer_live(&token))?;
        Ok(Self { client: Arc::clone(holder.client()), proof: Proof::Token(token), request_id, source })
    }

    /// An API key of this API gives the rights that are its permissions.
    async fn of_key(app: &App, text: &str, source: SourceAddress, request_id: String) -> Result<Self, Refusal> {
        let (own, now) = (KeyAudience::ResourceServer(resource_server_id()), app.clock.now());
        let asked = VerifyRequest {
            address: Some(source.ip()),
            resource_server: Some(own),
            ..VerifyRequest::of(Secret::new(text.to_owned()))
        };
        let verdict = api_keys::verify(app, asked).await?;
        let Some(key) = verdict.key.as_deref().filter(|_| verdict.is_valid()) else {
            return Err(refused_key(&verdict, now).into());
        };
        let client = app.find_client(&key.client_id).await?.ok_or_else(|| refused_key(&verdict, now))?;
        let proof = Proof::Key { id: key.id.clone(), scope: Right::given_by(&key.permissions) };
        Ok(Self { client, proof, request_id, source })
    }

    /// Checks a right.
    pub(in crate::http) fn require(&self, right: Right) -> Result<(), Refusal> {
        if self.proof.scope().contains(right.scope()) {
            return Ok(());
        }
        let challenge = BearerChallenge::new(REALM).error("insufficient_scope").scope(right.scope());
        let refused = challenged(StatusCode::FORBIDDEN, ErrorCode::InsufficientScope, &challenge);
        let whose = match self.proof {
            Proof::Token(_) => "access token",
            Proof::Key { .. } => "API key",
        };
        let detail = format!("the operation needs `{}`; the {whose} has `{}`", right.scope(), self.proof.scope());
        Err(self.named(explained(refused, detail)).into())
    }

    /// Checks a right over the whole instance, which a caller that belongs to an
    /// organization never has.
    pub(in crate::http) fn require_for_instance(&self, right: Right) -> Result<(), Refusal> {
        self.require(right)?;
        let Some(organization) = &self.client.organization_id else { return Ok(()) };
        let refused = problem(StatusCode::FORBIDDEN, ErrorCode::LimitedToOrganization);
        let detail = format!("the operation is about the whole instance; the caller belongs to organization {organization}");
        Err(self.named(explained(refused, detail)).into())
    }

    /// Until when it may go on with what it began now: its access token's `exp`.
    pub(in crate::http) fn may_go_on_until(&self, now: Timestamp) -> Timestamp {
        match &self.proof {
            Proof::Token(token) => token.claims.expires_at,
            Proof::Key { .. } => now.plus_seconds(KEY_GOES_ON_SECONDS),
        }
    }

    /// Whether a token it came with is still good. That of an API key is asked once: each
    /// question counts.
    pub(in crate::http) async fn is_still_let_in(&self, app: &App) -> Result<bool, StoreError> {
        let Proof::Token(token) = &self.proof else { return Ok(true) };
        if token.is_revoked(app) || token.claims.expires_at <= app.clock.now() {
            return Ok(false);
        }
        let holder = Holder::of(app, token).await?;
        Ok(holder.is_some_and(|holder| is_live(app, &holder, token)))
    }

    /// The organization that this caller is limited to.
    pub(in crate::http) fn organization(&self) -> Option<&OrganizationId> {
        self.client.organization_id.as_ref()
    }

    /// The credential that its access token was obtained with; `None`: it has an API key.
    pub(in crate::http) fn credential_id(&self) -> Option<&CredentialId> {
        match &self.proof {
            Proof::Token(token) => Some(&token.credential_id),
            Proof::Key { .. } => None,
        }
    }

    /// The id of what it calls with: a key or a credential.
    pub(in crate::http) fn proof_id(&self) -> String {
        self.proof.name().to_string()
    }

    /// The API key that it calls with.
    const fn api_key(&self) -> Option<&ApiKeyId> {
        match &self.proof {
            Proof::Token(_) => None,
            Proof::Key { id, .. } => Some(id),
        }
    }

    /// The calling client.
    pub(in crate::http) fn client(&self) -> &Client {
        &self.client
    }

    /// Whose grants say which resource servers and authorization servers the caller may
    /// know of; `None`: it may know of all.
    pub(in crate::http) fn only_granted_to(&self) -> Option<ClientId> {
        self.organization().map(|_| self.client.id.clone())
    }

    /// Whether an object of this organization is one that the caller may know of.
    pub(in crate::http) fn reaches(&self, organization: Option<&OrganizationId>) -> bool {
        self.organization().is_none_or(|own| Some(own) == organization)
    }

    /// A client that the caller may know of: any other does not exist for it. Read from
    /// the database, so that an entity tag is never an old one.
    pub(in crate::http) async fn find_client(&self, app: &App, id: &ClientId) -> Result<Client, ChangeError> {
        let found = clients::find(app, id).await?;
        if self.reaches(found.organization_id.as_ref()) {
            return Ok(found);
        }
        Err(ChangeError::NotFound { kind: "client", id: id.to_string() })
    }

    /// Who acts, for the audit log, and with which rights.
    pub(in crate::http) fn actor(&self, repeatable: Option<Repeatable>) -> Actor {
        let actor = Actor::client(self.client.id.clone(), self.request_id.clone(), Some(self.source.ip()));
        actor.with_scope(self.proof.scope().clone()).with_api_key(self.api_key().cloned()).repeatable(repeatable)
    }

    /// Names the caller in the request's log line.
    pub(in crate::http) fn named(&self, mut response: Response) -> Response {
        name(&mut response, &self.client.id, &self.proof.name());
        response
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let source = parts.extensions.get().copied().unwrap_or(SourceAddress::NONE);
        let caller = Self::identify(app, &parts.headers, source, request_id).await?;
        if let Some(named) = parts.extensions.get::<NamedCaller>() {
            let _ = named.0.set((caller.client.id.clone(), caller.proof.name()));
        }
        Ok(caller)
    }
}

/// Who called, once that is known: however a handler ends, its answer is about them.
#[derive(Clone, Debug, Default)]
struct NamedCaller(Arc<OnceLock<(ClientId, CredentialId)>>);

/// Names the caller in what is known of a response.
pub(super) async fn name_caller(mut request: Request, next: Next) -> Response {
    let named = NamedCaller::default();
    request.extensions_mut().insert(named.clone());
    let mut response = next.run(request).await;
    if let Some((client_id, credential_id)) = named.0.get() {
        name(&mut response, client_id, credential_id);
    }
    response
}

fn name(response: &mut Response, client_id: &ClientId, credential_id: &CredentialId) {
    add_to_outcome(response.extensions_mut(), |outcome| {
        outcome.client_id = Some(client_id.to_string());
        outcome.credential_id = Some(credential_id.clone());
    });
}

/// Why an API key is not accepted here.
fn refused_key(verdict: &Verdict, now: Timestamp) -> Response {
    let is_for_this = verdict.key.as_deref().is_none_or(|key| key.resource_server_id == resource_server_id());
    let refused = match verdict.code {
        VerdictCode::Forbidden if is_for_this => problem(StatusCode::FORBIDDEN, ErrorCode::ApiKeyNotFromHere),
        VerdictCode::Forbidden => invalid(ErrorCode::AudienceMismatch),
        VerdictCode::Valid
        | VerdictCode::NotFound
        | VerdictCode::Revoked
        | VerdictCode::Disabled
        | VerdictCode::Expired
        | VerdictCode::InsufficientPermissions => invalid(ErrorCode::ApiKeyRefused),
        VerdictCode::RateLimited | VerdictCode::UsageExceeded => used_up(verdict, now),
    };
    let mut refused = explained(refused, format!("the verdict on the API key is {}", verdict.code.as_str()));
    if let Some(key) = verdict.key.as_deref() {
        name(&mut refused, &key.client_id, &CredentialId::from_stored(key.id.as_str()));
    }
    refused
}

/// A limit of the key has no room, or its credits are spent.
fn used_up(verdict: &Verdict, now: Timestamp) -> Response {
    let mut refused = problem(StatusCode::TOO_MANY_REQUESTS, ErrorCode::ApiKeyUsedUp);
    let resets = verdict.limits.iter().filter(|limit| limit.answer.exceeded).map(|limit| limit.answer.reset_at.as_millis());
    // Credits come back when somebody gives them.
    if let Some(at) = resets.max() {
        let seconds = at.saturating_sub(now.as_millis()).max(0).unsigned_abs().div_ceil(1_000);
        refused.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    refused
}

fn no_longer_live(token: &IssuedToken) -> Response {
    let detail = "the client of the access token is gone or disabled, its credential is not in force, or its grant gives less";
    let mut refused = explained(invalid(ErrorCode::ClientRevoked), detail);
    add_to_outcome(refused.extensions_mut(), |outcome| outcome.client_id = Some(token.client_id.to_string()));
    refused
}

/// Only tokens of `default` for this API are accepted.
fn read_token(app: &App, token: &str) -> Result<Arc<IssuedToken>, ErrorCode> {
    let token = read_issued(app, &AuthorizationServerId::default_server(), token, app.clock.now())?;
    let catalog = app.catalog();
    let own = catalog.resource_server(&resource_server_id()).ok_or(ErrorCode::AudienceMismatch)?;
    if token.claims.audience.names(own.audience.as_str()) { Ok(token) } else { Err(ErrorCode::AudienceMismatch) }
}

/// A token dies with its client, its credential and its grant: here they are at hand.
fn is_live(app: &App, holder: &Holder, token: &IssuedToken) -> bool {
    let grant = holder.client().grant_for(&resource_server_id());
    holder.would_get(token, app.clock.now()) && grant.is_some_and(|grant| token.scope.first_outside(&grant.scope).is_none())
}

fn not_presented(error: PresentedError) -> Response {
    let challenge = BearerChallenge::new(REALM);
    match error {
        // RFC 6750 section 3.1: without a token there is no error code.
        PresentedError::Missing => challenged(StatusCode::UNAUTHORIZED, error.code(), &challenge),
        PresentedError::Malformed | PresentedError::Several => {
            challenged(StatusCode::BAD_REQUEST, error.code(), &challenge.error("invalid_request"))
        }
    }
}

fn invalid(code: ErrorCode) -> Response {
    let challenge = BearerChallenge::new(REALM).error("invalid_token").description(code.meaning());
    challenged(StatusCode::UNAUTHORIZED, code, &challenge)
}

fn challenged(status: StatusCode, code: ErrorCode, challenge: &BearerChallenge) -> Response {
    let mut response = problem(status, code);
    if let Ok(value) = HeaderValue::from_str(challenge.as_str()) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}
