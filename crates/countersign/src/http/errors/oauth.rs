//! The OAuth dialect: `{"error": .., "error_description": ..}` (RFC 6749 section 5.2).

use axum::response::Response;
use countersign_protocol::jose::ClaimsError;
use countersign_protocol::{
    AssertionError, BodyError, ClientAuthParseError, ClientId, ErrorCode, OAuthErrorCode, TokenRequestError,
};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use super::{ERROR_CODE_HEADER, Outcome, fault, json, store_fault, unknown_path};
use crate::http::body::ReadError;
use crate::http::middleware::forbid_storing;
use crate::limits::Exhausted;
use crate::log::chain;
use crate::oauth::grants::client_credentials::ClientCredentialsError;
use crate::oauth::{ClientAuthError, IssueError, TokenError, TokenInquiryError};
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
    /// For the log alone: what the answer does not tell.
    pub reason: Option<&'static str>,
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
            reason: None,
        }
    }

    /// A refusal of who asks too often.
    pub(in crate::http) fn over_budget(code: ErrorCode, exhausted: Exhausted) -> Self {
        Self { retry_after_seconds: Some(exhausted.retry_after_seconds), ..Self::new(OAuthErrorCode::SlowDown, code) }
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
        let outcome = Outcome { code: Some(self.code), client_id: self.client_id, reason: self.reason, cause: None };
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
        TokenError::MountGone => return unknown_path(),
        TokenError::Request(error) => request_refusal(*error),
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
    let known = |id: &ClientId| Some(id.to_string());
    let refusal = match error {
        ClientAuthError::Assertion(error) => assertion_refusal(*error),
        ClientAuthError::AssertionOf { client_id, issuer, error } => {
            let mut refusal = OAuthRefusal { client_id: known(client_id), ..assertion_refusal(*error) };
            if *error == AssertionError::Audience {
                // The mistake that is made most: say what is right.
                refusal.description = format!("aud of the client assertion must be the string {issuer}");
            }
            refusal
        }
        ClientAuthError::AssertionReplayed { client_id } => {
            OAuthRefusal { client_id: known(client_id), ..client(ErrorCode::AssertionReplayed) }
        }
        ClientAuthError::HashKeyMissing => return fault(ErrorCode::Internal, chain(error)),
        ClientAuthError::KeysUnavailable(_) => return fault(ErrorCode::Unavailable, chain(error)),
        ClientAuthError::MethodNotOfClient => client(ErrorCode::AuthenticationMethodNotOfClient),
        ClientAuthError::Refused { client_id, reason } => OAuthRefusal {
            client_id: client_id.as_ref().and_then(known),
            reason: Some(reason.as_str()),
            ..client(ErrorCode::ClientAuthenticationFailed)
        },
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
        TokenRequestError::GrantTypeMissing => (OAuthErrorCode::InvalidRequest, ErrorCode::GrantTypeMissing),
        TokenRequestError::GrantTypeUnsupported => (OAuthErrorCode::UnsupportedGrantType, ErrorCode::GrantTypeUnsupported),
        TokenRequestError::Scope(_) => (OAuthErrorCode::InvalidScope, ErrorCode::ScopeMalformed),
        TokenRequestError::SeveralAudiences => (OAuthErrorCode::InvalidTarget, ErrorCode::SeveralAudiences),
    };
    OAuthRefusal::new(oauth, code).described(&error)
}

fn grant_refusal(error: &ClientCredentialsError) -> OAuthRefusal {
    let (oauth, code) = match error {
        ClientCredentialsError::AudienceMissing => (OAuthErrorCode::InvalidRequest, ErrorCode::AudienceMissing),
        ClientCredentialsError::AudienceNotGranted => (OAuthErrorCode::InvalidTarget, ErrorCode::AudienceNotGranted),
        ClientCredentialsError::ScopeNotGranted(_) => (OAuthErrorCode::InvalidScope, ErrorCode::ScopeNotGranted),
    };
    OAuthRefusal::new(oauth, code).described(error)
}
