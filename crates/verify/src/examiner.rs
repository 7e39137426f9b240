//! Who goes through the checks of a token. There is one list of them (`policy.rs` and
//! `verifier.rs`); a verifier stops at the first that fails, an explanation hears of each.

use countersign_protocol::ErrorCode;
use countersign_protocol::jose::{Claims, Header};

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aspect {
    /// Size, parts, encoding, and the JSON of the header.
    Format,
    /// `alg`: one that is ever accepted, and the one of the key.
    Algorithm,
    /// `typ` is that of an access token.
    Type,
    /// `kid` names a key of the issuer.
    Key,
    /// The signature is the key's.
    Signature,
    /// The payload is JSON, and has the claims of an access token in their types.
    Claims,
    /// `iss`.
    Issuer,
    /// `aud`.
    Audience,
    /// `exp`, `nbf` and `iat`.
    Time,
    /// The token is bound to no key (`cnf`).
    Binding,
    /// What the application asks of the claims of an issuer's tokens.
    Rule,
    /// The scopes and claim values that are needed.
    Scope,
    /// What the issuer says of the token now.
    Revocation,
}

impl Aspect {
    /// Every aspect, in the order in which they are shown.
    pub const ALL: &[Self] = &[
        Self::Format,
        Self::Algorithm,
        Self::Type,
        Self::Key,
        Self::Signature,
        Self::Claims,
        Self::Issuer,
        Self::Audience,
        Self::Time,
        Self::Binding,
        Self::Rule,
        Self::Scope,
        Self::Revocation,
    ];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Algorithm => "algorithm",
            Self::Type => "type",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Time => "time",
            Self::Binding => "binding",
            Self::Rule => "rule",
            Self::Scope => "scope",
            Self::Revocation => "revocation",
        }
    }
}

/// Goes through the checks of one token, in their order.
pub(crate) trait Examiner {
    /// Whether a token that was verified a moment ago need not be looked at again, and one
    /// that is verified now is kept in mind.
    const USES_MEMORY: bool;

    /// Hears of a check. An error ends the examination with it.
    fn check(&mut self, aspect: Aspect, outcome: Result<(), ErrorCode>) -> Result<(), ErrorCode>;

    /// Hears of a check that the following ones need the outcome of.
    fn gate<T>(&mut self, aspect: Aspect, outcome: Result<T, ErrorCode>) -> Result<T, ErrorCode>;

    /// Hears what the header says.
    fn header(&mut self, header: &Header);

    /// Hears the claims once their signature was verified.
    fn signed(&mut self, claims: &Claims);

    /// An error if any check failed: without this there is no verified token.
    fn conclude(&self) -> Result<(), ErrorCode>;
}

/// Stops at the first check that fails, and keeps nothing.
pub(crate) struct FirstFailure;

impl Examiner for FirstFailure {
    const USES_MEMORY: bool = true;

    #[inline]
    fn check(&mut self, _: Aspect, outcome: Result<(), ErrorCode>) -> Result<(), ErrorCode> {
        outcome
    }

    #[inline]
    fn gate<T>(&mut self, _: Aspect, outcome: Result<T, ErrorCode>) -> Result<T, ErrorCode> {
        outcome
    }

    #[inline]
    fn header(&mut self, _: &Header) {}

    #[inline]
    fn signed(&mut self, _: &Claims) {}

    #[inline]
    fn conclude(&self) -> Result<(), ErrorCode> {
        Ok(())
    }
}

/// Goes on after a check that fails, as far as there is something left to check.
#[derive(Default)]
pub(crate) struct EveryCheck {
    /// In the order of the checks; one entry per aspect.
    pub(crate) outcomes: Vec<(Aspect, Result<(), ErrorCode>)>,
    /// Of the checks in their order the first that failed.
    pub(crate) first_failure: Option<ErrorCode>,
    pub(crate) header: Option<Header>,
    pub(crate) claims: Option<Claims>,
}

impl EveryCheck {
    /// Several checks of one aspect are one outcome: that of the first that failed.
    fn note(&mut self, aspect: Aspect, outcome: Result<(), ErrorCode>) {
        let aspect = outcome.err().map_or(aspect, |code| subject(aspect, code));
        if let Err(code) = outcome {
            self.first_failure.get_or_insert(code);
        }
        match self.outcomes.iter_mut().find(|(noted, _)| *noted == aspect) {
            Some((_, noted)) => *noted = noted.and(outcome),
            None => self.outcomes.push((aspect, outcome)),
        }
    }
}

impl Examiner for EveryCheck {
    const USES_MEMORY: bool = false;

    fn check(&mut self, aspect: Aspect, outcome: Result<(), ErrorCode>) -> Result<(), ErrorCode> {
        self.note(aspect, outcome);
        Ok(())
    }

    fn gate<T>(&mut self, aspect: Aspect, outcome: Result<T, ErrorCode>) -> Result<T, ErrorCode> {
        // The header was read by then: what is wrong is what it says.
        if aspect == Aspect::Format && matches!(outcome, Err(ErrorCode::AlgorithmNotAllowed)) {
            self.note(Aspect::Format, Ok(()));
        }
        self.note(aspect, outcome.as_ref().map(|_| ()).map_err(|code| *code));
        outcome
    }

    fn header(&mut self, header: &Header) {
        self.header = Some(header.clone());
    }

    fn signed(&mut self, claims: &Claims) {
        self.claims = Some(claims.clone());
    }

    fn conclude(&self) -> Result<(), ErrorCode> {
        self.first_failure.map_or(Ok(()), Err)
    }
}

/// What a refusal is about: a check may come upon something else than what it is for.
fn subject(aspect: Aspect, code: ErrorCode) -> Aspect {
    if matches!(code, ErrorCode::AlgorithmNotAllowed | ErrorCode::AlgorithmNotOfKey) {
        Aspect::Algorithm
    } else if code == ErrorCode::TokenNotBase64Url {
        Aspect::Format
    } else {
        aspect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stops_at_the_first_failure_and_the_other_lets_nothing_pass_after_one() {
        assert_eq!(FirstFailure.check(Aspect::Time, Err(ErrorCode::Expired)), Err(ErrorCode::Expired));
        let mut every = EveryCheck::default();
        assert_eq!((every.check(Aspect::Type, Ok(())), every.conclude()), (Ok(()), Ok(())));
        assert_eq!(every.check(Aspect::Time, Err(ErrorCode::Expired)), Ok(()));
        assert_eq!(every.check(Aspect::Time, Err(ErrorCode::NotYetValid)), Ok(()));
        assert_eq!(every.conclude(), Err(ErrorCode::Expired));
        assert_eq!(every.outcomes, [(Aspect::Type, Ok(())), (Aspect::Time, Err(ErrorCode::Expired))]);
    }
}
