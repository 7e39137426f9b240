//! The refusal of a request: status, challenge, stable code (RFC 6750 section 3, RFC 9457).

use std::fmt;
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use countersign_protocol::{BearerChallenge, ErrorCode};

use crate::presented::PresentedError;
use crate::requirements::Insufficient;

/// How long a caller should wait before it asks again when a token could not be judged.
const RETRY_AFTER_SECONDS: u64 = 5;

/// A refused request. It holds nothing of the token and no claim: what it says
/// is fit for the caller to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    code: ErrorCode,
    reason: Reason,
    challenge: Option<BearerChallenge>,
}

/// What every challenge of a verifier says.
#[derive(Clone, Debug)]
pub(crate) struct Challenger {
    pub(crate) realm: String,
    /// Where the API says what it takes (RFC 9728 section 5.1).
    pub(crate) metadata_url: Option<String>,
}

impl Challenger {
    fn challenge(&self, error: Option<(Reason, ErrorCode)>, scope: &str) -> BearerChallenge {
        let mut challenge = BearerChallenge::new(&self.realm);
        if let Some((reason, code)) = error {
            challenge = challenge.error(reason.title()).description(code.meaning());
        }
        if !scope.is_empty() {
            challenge = challenge.scope(scope);
        }
        match &self.metadata_url {
            Some(url) => challenge.resource_metadata(url),
            None => challenge,
        }
    }
}

/// The closed set of ways to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    #[cfg(feature = "api-keys")]
    Exhausted {
        retry_after_seconds: u64,
    },
    Insufficient,
    InvalidRequest,
    InvalidToken,
    NoToken,
    NotJudged,
}

impl Denied {
    /// No token, or not exactly one.
    pub(crate) fn presented(challenger: &Challenger, error: PresentedError) -> Self {
        let code = error.code();
        match error {
            // RFC 6750 section 3.1: no error code for a request without credentials.
            PresentedError::Missing => Self { code, reason: Reason::NoToken, challenge: Some(challenger.challenge(None, "")) },
            PresentedError::Malformed | PresentedError::Several => Self::with_error(challenger, code, Reason::InvalidRequest, ""),
        }
    }

    /// The token is no good.
    pub(crate) fn invalid_token(challenger: &Challenger, code: ErrorCode) -> Self {
        Self::with_error(challenger, code, Reason::InvalidToken, "")
    }

    /// The token is good and not enough.
    pub(crate) fn insufficient(challenger: &Challenger, insufficient: &Insufficient) -> Self {
        Self::with_error(challenger, insufficient.code(), Reason::Insufficient, insufficient.scope())
    }

    /// The token was not judged: the fault is not the caller's, so there is no
    /// challenge that would make it throw its token away.
    pub(crate) const fn not_judged(code: ErrorCode) -> Self {
        Self { code, reason: Reason::NotJudged, challenge: None }
    }

    /// The API key has used up what it may for now.
    #[cfg(feature = "api-keys")]
    pub(crate) const fn exhausted(retry_after_seconds: u64) -> Self {
        Self { code: ErrorCode::KeyExhausted, reason: Reason::Exhausted { retry_after_seconds }, challenge: None }
    }

    fn with_error(challenger: &Challenger, code: ErrorCode, reason: Reason, scope: &str) -> Self {
        Self { code, reason, challenge: Some(challenger.challenge(Some((reason, code)), scope)) }
    }

    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The status: 400, 401, 403 or 503; of an API key also 429.
    pub const fn status(&self) -> StatusCode {
        match self.reason {
            #[cfg(feature = "api-keys")]
            Reason::Exhausted { .. } => StatusCode::TOO_MANY_REQUESTS,
            Reason::Insufficient => StatusCode::FORBIDDEN,
            Reason::InvalidRequest => StatusCode::BAD_REQUEST,
            Reason::InvalidToken | Reason::NoToken => StatusCode::UNAUTHORIZED,
            Reason::NotJudged => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The error code of RFC 6750 section 3.1; none when no token was presented
    /// and none when the token was not judged.
    pub const fn error(&self) -> Option<&'static str> {
        match self.reason {
            Reason::Insufficient | Reason::InvalidRequest | Reason::InvalidToken => Some(self.reason.title()),
            #[cfg(feature = "api-keys")]
            Reason::Exhausted { .. } => None,
            Reason::NoToken | Reason::NotJudged => None,
        }
    }

    /// The value of `WWW-Authenticate`; none when the token was not judged.
    pub fn challenge(&self) -> Option<&str> {
        self.challenge.as_ref().map(BearerChallenge::as_str)
    }

    /// How long to wait before the same token is worth another try.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.reason {
            #[cfg(feature = "api-keys")]
            Reason::Exhausted { retry_after_seconds } => Some(Duration::from_secs(retry_after_seconds)),
            Reason::NotJudged => Some(Duration::from_secs(RETRY_AFTER_SECONDS)),
            Reason::Insufficient | Reason::InvalidRequest | Reason::InvalidToken | Reason::NoToken => None,
        }
    }

    /// The body: problem details (RFC 9457) without a word about the token.
    pub fn body(&self) -> String {
        // Every value is a constant that needs no escape.
        format!(
            r#"{{"type":"about:blank","title":"{}","status":{},"code":"{}"}}"#,
            self.reason.title(),
            self.status().as_u16(),
            self.code.as_str()
        )
    }

    /// The headers of the response.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge().and_then(|challenge| HeaderValue::from_str(challenge).ok()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(after) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs()));
        }
        headers
    }

    /// The whole response.
    pub fn into_response<B: From<String>>(self) -> Response<B> {
        let mut response = Response::new(B::from(self.body()));
        *response.status_mut() = self.status();
        *response.headers_mut() = self.headers();
        response
    }
}

impl Reason {
    const fn title(self) -> &'static str {
        match self {
            #[cfg(feature = "api-keys")]
            Self::Exhausted { .. } => "too_many_requests",
            Self::Insufficient => "insufficient_scope",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::NoToken => "unauthorized",
            Self::NotJudged => "temporarily_unavailable",
        }
    }
}

impl<B: From<String>> From<Denied> for Response<B> {
    fn from(denied: Denied) -> Self {
        denied.into_response()
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.code.meaning())
    }
}

impl std::error::Error for Denied {}
