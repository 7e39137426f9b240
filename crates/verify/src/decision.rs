//! What becomes known of a decision: one log event, and one observation.

use countersign_protocol::ErrorCode;
use countersign_protocol::jose::{AudienceClaim, Claims};

use crate::policy::Refused;
use crate::{Denied, Verified};

/// A token that was judged, or could not be.
pub(crate) struct Judgement<'a> {
    pub(crate) verdict: Result<Verified, Fault>,
    /// The configured issuer whose rules were applied; none when the token was
    /// refused before one was chosen.
    pub(crate) issuer: Option<&'a str>,
    /// The verdict is an earlier one.
    pub(crate) is_remembered: bool,
}

/// Why there is no verified token.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The token is no good.
    Refused(Refused),
    /// The token was not judged.
    NotJudged(ErrorCode),
    /// An API key is good, and has used up what it may for now.
    #[cfg(feature = "api-keys")]
    Exhausted {
        /// When it is worth another try.
        retry_after_seconds: u64,
    },
}

impl From<ErrorCode> for Fault {
    fn from(code: ErrorCode) -> Self {
        Self::Refused(code.into())
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl<'a> Judgement<'a> {
    /// A token that was refused before an issuer was chosen.
    pub(crate) fn without_issuer(code: ErrorCode) -> Self {
        Self { verdict: Err(code.into()), issuer: None, is_remembered: false }
    }

    pub(crate) const fn new(issuer: &'a str, verdict: Result<Verified, Fault>) -> Self {
        Self { verdict, issuer: Some(issuer), is_remembered: false }
    }

    /// Says in the log what was decided and why. Of a token only what its issuer
    /// has signed, and never the token.
    pub(crate) fn log(&self) {
        let issuer = self.issuer;
        match &self.verdict {
            Ok(verified) => tracing::debug!(
                issuer,
                key_id = verified.key_id(),
                token_id = verified.token_id(),
                method = verified.method().as_str(),
                is_remembered = self.is_remembered,
                "token accepted"
            ),
            Err(Fault::NotJudged(code)) => {
                tracing::debug!(issuer, code = code.as_str(), reason = code.meaning(), "token not judged")
            }
            #[cfg(feature = "api-keys")]
            Err(Fault::Exhausted { .. }) => {
                let code = ErrorCode::KeyExhausted;
                tracing::debug!(issuer, code = code.as_str(), reason = code.meaning(), "API key exhausted")
            }
            Err(Fault::Refused(Refused { code, claims })) => tracing::debug!(
                issuer,
                code = code.as_str(),
                reason = code.meaning(),
                token_id = claims.as_ref().and_then(|claims| claims.token_id.as_deref()),
                found = found(*code, claims.as_deref()),
                "token refused"
            ),
        }
    }
}

/// What stands where something else was expected.
fn found(code: ErrorCode, claims: Option<&Claims>) -> Option<&str> {
    let claims = claims?;
    if code == ErrorCode::IssuerMismatch {
        return Some(&claims.issuer);
    }
    match &claims.audience {
        _ if code != ErrorCode::AudienceMismatch => None,
        AudienceClaim::One(audience) => Some(audience),
        AudienceClaim::Several(several) => several.first().map(String::as_str),
    }
}

/// Says in the log why a request presents no token, or not enough of one.
pub(crate) fn log_denied(denied: &Denied, verified: Option<&Verified>) {
    tracing::debug!(
        issuer = verified.map(Verified::issuer),
        code = denied.code().as_str(),
        reason = denied.code().meaning(),
        token_id = verified.and_then(Verified::token_id),
        "request refused"
    );
}
