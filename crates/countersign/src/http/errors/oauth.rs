//! The OAuth dialect: `{"error": .., "error_description": ..}` (RFC 6749 section 5.2).

use axum::response::Response;
use countersign_protocol::jose::ClaimsError;
use countersign_protocol::{AssertionError, BodyError, ClientAuthParseError, ErrorCode, OAuthErrorCode, TokenRequestError};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use super::{ERROR_CODE_HEADER, Outcome, fault, json, store_fault, unknown_path};
use crate::api_keys::{FindKeyError, FoundKey, VerdictCode};
use crate::http::body::ReadError;
use crate::http::middleware::forbid_storing;
use crate::ids::CredentialId;
use crate::limits::Exhausted;
use crate::log::chain;
use crate::oauth::grants::client_credentials::ClientCredentialsError;
use crate::oauth::grants::token_exchange::TokenExchangeError;
use crate::oauth::{AuthenticatedClient, ClientAuthError, IssueError, KeyAuthError, TokenError, TokenInquiryError};
use crate::refusals::{AuthenticationDetail, Detail, shown};
use crate::signing_keys::SignError;

/// A refusal on its way to the client.
#[derive(Clone, Debug)]
pub(in crate::http) struct OAuthRefusal {
    /// The RFC's code.
    pub error: OAuthErrorCode,
    /// Ours.
    pub code: ErrorCode,
    /// For the developer; characters outside RFC 6749 section 5.2 are replaced.
    pub description: String,
    /// Overrides the status that the RFC's code has.
    pub status: Option<StatusCode>,
    /// Seconds after which the request is worth another try.
    pub retry_after_seconds: Option<u64>,
    /// Whether the request used the Authorization header: only then a challenge is due.
    pub used_header: bool,
    /// For the log alone: the client that was named.
    pub client_id: Option<String>,
    /// The credential that authenticated that.
    pub credential_id: Option<CredentialId>,
    /// For the log alone: what the answer does not tell.
    pub reason: Option<&'static str>,
    /// For whoever asks by the request's id: what the answer does not tell.
    pub detail: Option<Detail>,
}

impl OAuthRefusal {
    /// A refusal whose description is the code's meaning.
    pub(in crate::http) fn new(error: OAuthErrorCode, code: ErrorCode) -> Self {
        Self {
            error,
            code,
            description: code.meaning().to_owned(),
            status: None,
            retry_after_seconds: None,
            used_header: false,
            client_id: None,
            credential_id: None,
            reason: None,
            detail: None,
        }
    }

    /// A refusal of who asks too often.
    pub(in crate::http) fn over_budget(code: ErrorCode, exhausted: Exhausted) -> Self {
        let refusal =
            Self { retry_after_seconds: Some(exhausted.retry_after_seconds), ..Self::new(OAuthErrorCode::SlowDown, code) };
        refusal.explained(exhausted.to_string())
    }

    fn explained(self, detail: impl Into<Detail>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// A refusal of a client that proved who it is.
    fn of(self, client: &AuthenticatedClient) -> Self {
        let (client_id, credential_id) = (client.client().id.to_string(), client.credential_id().clone());
        Self { client_id: Some(client_id), credential_id: Some(credential_id), ..self }
    }

    fn described(self, error: &dyn std::error::Error) -> Self {
        Self { description: error.to_string(), ..self }
    }

    fn with_status(self, status: StatusCode) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Renders the refusal.
    pub(in crate::http) fn into_response(self) -> Response {
        let legal = |c: char| matches!(c, ' ' | '!' | '#'..='[' | ']'..='~');
        let description: String = self.description.chars().map(|c| if legal(c) { c } else { '\'' }).collect();
        let status = self.status.or_else(|| StatusCode::from_u16(self.error.status()).ok()).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = json(status, &serde_json::json!({ "error": self.error.as_str(), "error_description": description }));
        let headers = response.headers_mut();
        forbid_storing(headers);
        headers.insert(ERROR_CODE_HEADER, HeaderValue::from_static(self.code.as_str()));
        if self.error == OAuthErrorCode::InvalidClient && self.used_header {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"countersign\""));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        let Self { code, client_id, credential_id, reason, detail, .. } = self;
        let outcome = Outcome { code: Some(code), client_id, credential_id, reason, detail, ..Outcome::default() };
        outcome.attach(response.extensions_mut());
        response
    }
}

impl From<ReadError> for OAuthRefusal {
    fn from(error: ReadError) -> Self {
        let request = |code| Self::new(OAuthErrorCode::InvalidRequest, code);
        match error {
            ReadError::Broken => request(ErrorCode::BodyMalformed),
            ReadError::ContentType => request(ErrorCode::ContentTypeUnsupported),
            ReadError::Malformed(error) => body_refusal(&error),
            ReadError::TooLarge => request(ErrorCode::BodyTooLarge).with_status(StatusCode::PAYLOAD_TOO_LARGE),
        }
    }
}

/// Renders what the token endpoint did not do: a refusal, or a fault of ours.
pub(in crate::http) fn token_refusal(error: &TokenError, used_header: bool) -> Response {
    let refusal = match error {
        TokenError::ClientAuth(error) => return client_refusal(error, used_header),
        TokenError::ClientCredentials(error) => grant_refusal(error),
        TokenError::Issue(error) => return issue_fault(error),
        TokenError::KeyAuth(error) => match key_refusal(error) {
            Ok(refusal) => refusal,
            Err(fault) => return *fault,
        },
        TokenError::MountGone => return unknown_path(),
        TokenError::Request(error) => request_refusal(*error),
        TokenError::TokenExchange(error) => exchange_refusal(error),
        TokenError::TooManyRequests(exhausted) => OAuthRefusal::over_budget(ErrorCode::TooManyRequests, *exhausted),
    };
    OAuthRefusal { used_header, ..refusal }.into_response()
}

/// Renders what an endpoint that is asked about a token did not do.
pub(in crate::http) fn inquiry_refusal(error: &TokenInquiryError, used_header: bool) -> Response {
    match error {
        TokenInquiryError::Behind => fault(ErrorCode::Unavailable, chain(error)),
        TokenInquiryError::ClientAuth(error) => client_refusal(error, used_header),
        TokenInquiryError::Issue(error) => issue_fault(error),
        TokenInquiryError::Store(error) => store_fault(error),
        TokenInquiryError::TokenMissing(_) => {
            OAuthRefusal::new(OAuthErrorCode::InvalidRequest, ErrorCode::TokenParameterMissing).into_response()
        }
        TokenInquiryError::TooManyRequests(exhausted) => {
            OAuthRefusal::over_budget(ErrorCode::TooManyRequests, *exhausted).into_response()
        }
    }
}

fn client_refusal(error: &ClientAuthError, used_header: bool) -> Response {
    let client = |code| OAuthRefusal::new(OAuthErrorCode::InvalidClient, code);
    let refusal = match error {
        ClientAuthError::Assertion(error) => assertion_refusal(*error),
        ClientAuthError::AssertionOf { by, issuer, error, found } => {
            let mut refusal = assertion_refusal(*error).of(by);
            refusal.detail = found.as_ref().map(|found| Detail::from(format!("{error}: {found}; the issuer is {issuer}")));
            if *error == AssertionError::Audience {
                // The mistake that is made most: say what is right.
                refusal.description = format!("aud of the client assertion must be the string {issuer}");
            }
            refusal
        }
        ClientAuthError::AssertionReplayed { by } => client(ErrorCode::AssertionReplayed).of(by),
        ClientAuthError::HashKeyMissing => return fault(ErrorCode::Internal, chain(error)),
        ClientAuthError::KeysUnavailable(_) => return fault(ErrorCode::Unavailable, chain(error)),
        ClientAuthError::MethodNotOfClient(by) => {
            let (own, used) = (by.client().auth_method.as_str(), by.method().as_str());
            client(ErrorCode::AuthenticationMethodNotOfClient)
                .of(by)
                .explained(format!("the client is pinned to {own}, and the request used {used}"))
        }
        ClientAuthError::Refused { client: named, reason, would_fit } => {
            let (client_id, would_fit) = (named.as_ref().map(|client| client.id.to_string()), would_fit.clone());
            let detail = AuthenticationDetail { client: named.clone(), reason: *reason, would_fit };
            OAuthRefusal {
                client_id,
                reason: Some(reason.as_str()),
                detail: Some(Detail::Authentication(Box::new(detail))),
                ..client(ErrorCode::ClientAuthenticationFailed)
            }
        }
        ClientAuthError::Store(error) => return store_fault(error),
        ClientAuthError::Unreadable(error) => client_auth_refusal(*error),
        ClientAuthError::TooManyFailures(exhausted) => OAuthRefusal::over_budget(ErrorCode::TooManyFailures, *exhausted),
    };
    OAuthRefusal { used_header, ..refusal }.into_response()
}

fn assertion_refusal(error: AssertionError) -> OAuthRefusal {
    let code = match error {
        AssertionError::Audience => ErrorCode::AssertionAudience,
        AssertionError::Claims(ClaimsError::Claim(_)) => {
            return OAuthRefusal::new(OAuthErrorCode::InvalidClient, ErrorCode::AssertionClaimMissing).described(&error);
        }
        AssertionError::Claims(ClaimsError::DuplicateMember | ClaimsError::Json)
        | AssertionError::Malformed(_)
        | AssertionError::Type => ErrorCode::AssertionMalformed,
        AssertionError::ClientMismatch => ErrorCode::AssertionClientMismatch,
        AssertionError::ClientSecretJwt => ErrorCode::ClientSecretJwtUnsupported,
        AssertionError::Expired => ErrorCode::AssertionExpired,
        // No authentication that failed, but a request that is out of bounds.
        AssertionError::IdTooLong => return OAuthRefusal::new(OAuthErrorCode::InvalidRequest, ErrorCode::AssertionIdTooLong),
        AssertionError::LivesTooLong => ErrorCode::AssertionLivesTooLong,
        AssertionError::NotYetValid => ErrorCode::AssertionNotYetValid,
    };
    OAuthRefusal::new(OAuthErrorCode::InvalidClient, code)
}

fn issue_fault(error: &IssueError) -> Response {
    let code = match error {
        IssueError::StatusList(error) => return store_fault(error),
        IssueError::Signing(SignError::Busy | SignError::Unavailable(_)) | IssueError::MarkAhead(_) | IssueError::Overtaken => {
            ErrorCode::Unavailable
        }
        IssueError::Signing(SignError::Failed(_))
        | IssueError::NoSigningKey(_)
        | IssueError::NoTokenKey
        | IssueError::Sealing(_) => ErrorCode::Internal,
    };
    fault(code, chain(error))
}

fn body_refusal(error: &BodyError) -> OAuthRefusal {
    let code = match error {
        BodyError::Malformed | BodyError::TooMany => ErrorCode::BodyMalformed,
        BodyError::Repeated => ErrorCode::ParameterRepeated,
    };
    OAuthRefusal::new(OAuthErrorCode::InvalidRequest, code).described(error)
}

fn client_auth_refusal(error: ClientAuthParseError) -> OAuthRefusal {
    let (oauth, code) = match error {
        ClientAuthParseError::AssertionType => (OAuthErrorCode::InvalidRequest, ErrorCode::AssertionTypeUnsupported),
        ClientAuthParseError::BasicMalformed => (OAuthErrorCode::InvalidClient, ErrorCode::BasicMalformed),
        ClientAuthParseError::Missing => (OAuthErrorCode::InvalidClient, ErrorCode::ClientAuthenticationMissing),
        ClientAuthParseError::SeveralMethods => (OAuthErrorCode::InvalidRequest, ErrorCode::SeveralAuthenticationMethods),
        ClientAuthParseError::Unsupported => (OAuthErrorCode::InvalidClient, ErrorCode::AuthenticationMethodUnsupported),
    };
    OAuthRefusal::new(oauth, code)
}

fn request_refusal(error: TokenRequestError) -> OAuthRefusal {
    let (oauth, code) = match error {
        TokenRequestError::ActorToken => (OAuthErrorCode::InvalidRequest, ErrorCode::ActorTokenUnsupported),
        TokenRequestError::GrantTypeMissing => (OAuthErrorCode::InvalidRequest, ErrorCode::GrantTypeMissing),
        TokenRequestError::GrantTypeUnsupported => (OAuthErrorCode::UnsupportedGrantType, ErrorCode::GrantTypeUnsupported),
        TokenRequestError::RequestedTokenType => (OAuthErrorCode::InvalidRequest, ErrorCode::RequestedTokenTypeUnsupported),
        TokenRequestError::Scope(_) => (OAuthErrorCode::InvalidScope, ErrorCode::ScopeMalformed),
        TokenRequestError::SeveralAudiences => (OAuthErrorCode::InvalidTarget, ErrorCode::SeveralAudiences),
        TokenRequestError::SubjectTokenMissing => (OAuthErrorCode::InvalidRequest, ErrorCode::SubjectTokenMissing),
        TokenRequestError::SubjectTokenType => (OAuthErrorCode::InvalidRequest, ErrorCode::SubjectTokenTypeUnsupported),
    };
    OAuthRefusal::new(oauth, code).described(&error)
}

fn grant_refusal(error: &ClientCredentialsError) -> OAuthRefusal {
    let (oauth, code) = match error {
        ClientCredentialsError::AudienceMissing { .. } => (OAuthErrorCode::InvalidRequest, ErrorCode::AudienceMissing),
        ClientCredentialsError::AudienceNotGranted { .. } => (OAuthErrorCode::InvalidTarget, ErrorCode::AudienceNotGranted),
        ClientCredentialsError::ScopeNotGranted { .. } => (OAuthErrorCode::InvalidScope, ErrorCode::ScopeNotGranted),
    };
    let detail = match error {
        ClientCredentialsError::AudienceMissing { grants } => {
            format!("the mount has no default audience, and the client has {grants} grants on its authorization server")
        }
        ClientCredentialsError::AudienceNotGranted { audience, is_known: true } => {
            format!("the client has no grant for the audience {}", shown(audience))
        }
        ClientCredentialsError::AudienceNotGranted { audience, is_known: false } => {
            format!("the authorization server has no resource server with the audience {}", shown(audience))
        }
        ClientCredentialsError::ScopeNotGranted { scope, grant_id, granted } => {
            format!("grant {grant_id} does not have {}; it gives `{granted}`", shown(scope.as_str()))
        }
    };
    OAuthRefusal::new(oauth, code).described(error).explained(detail)
}

/// RFC 8693 section 2.2.2: a subject token that is not accepted is an `invalid_request`. What
/// is wrong with a key is the operator's to tell.
fn key_refusal(error: &KeyAuthError) -> Result<OAuthRefusal, Box<Response>> {
    let request = |code| OAuthRefusal::new(OAuthErrorCode::InvalidRequest, code);
    match error {
        KeyAuthError::Exhausted { code, key, retry_after_seconds } => {
            let refusal = OAuthRefusal::new(OAuthErrorCode::SlowDown, ErrorCode::KeyExhausted);
            Ok(OAuthRefusal { retry_after_seconds: Some(*retry_after_seconds), ..of_key(refusal, key, *code) })
        }
        KeyAuthError::Find(FindKeyError::Busy(error)) => Err(Box::new(fault(ErrorCode::ImportedHashesBusy, chain(error)))),
        KeyAuthError::Find(FindKeyError::Store(error)) | KeyAuthError::Store(error) => Err(Box::new(store_fault(error))),
        KeyAuthError::Find(FindKeyError::TooManyFailures(exhausted)) | KeyAuthError::TooManyFailures(exhausted) => {
            Ok(OAuthRefusal::over_budget(ErrorCode::TooManyFailures, *exhausted))
        }
        KeyAuthError::NotAccepted { code, key } => {
            let refusal = request(ErrorCode::KeyNotAccepted);
            Ok(match key {
                None => refusal.explained("there is no such API key"),
                Some(found) => of_key(refusal, found, *code),
            })
        }
        KeyAuthError::OfAnotherClient(key) => {
            let owner = key.client().id.to_string();
            let detail = format!("API key {} belongs to client {owner}", key.accepted().key().id);
            let credential_id = Some(key.credential_id().clone());
            Ok(OAuthRefusal { client_id: Some(owner), credential_id, ..request(ErrorCode::KeyOfAnotherClient) }.explained(detail))
        }
        KeyAuthError::Uncounted(error) => Err(Box::new(fault(ErrorCode::LimitsUncounted, chain(error)))),
    }
}

fn of_key(refusal: OAuthRefusal, found: &FoundKey, code: VerdictCode) -> OAuthRefusal {
    OAuthRefusal {
        client_id: Some(found.key.client_id.to_string()),
        credential_id: Some(found.key.id.as_credential()),
        reason: Some(code.as_str()),
        ..refusal.explained(format!("API key {}, secret {}: {}", found.key.id, found.secret_id, code.as_str()))
    }
}

fn exchange_refusal(error: &TokenExchangeError) -> OAuthRefusal {
    let (oauth, code, detail) = match error {
        TokenExchangeError::AudienceNotGranted { audience } => {
            let detail = format!("the client of the API key has no grant for {}", shown(audience));
            (OAuthErrorCode::InvalidTarget, ErrorCode::KeyForAnotherAudience, detail)
        }
        TokenExchangeError::AudienceNotOfKey { audience } => {
            let detail = match audience {
                Some(audience) => format!("the API key is not for {}", shown(audience)),
                None => "the authorization server does not have the resource server of the API key".to_owned(),
            };
            (OAuthErrorCode::InvalidTarget, ErrorCode::KeyForAnotherAudience, detail)
        }
        TokenExchangeError::NoLifeLeft => {
            (OAuthErrorCode::InvalidRequest, ErrorCode::KeyNotAccepted, "the API key ends within this second".to_owned())
        }
        TokenExchangeError::ScopeNotOfKey { scope, given } => {
            let detail =
                format!("the API key and its client's grant do not both give {}; they give `{given}`", shown(scope.as_str()));
            return OAuthRefusal::new(OAuthErrorCode::InvalidScope, ErrorCode::ScopeNotOfKey).described(error).explained(detail);
        }
    };
    OAuthRefusal::new(oauth, code).explained(detail)
}
