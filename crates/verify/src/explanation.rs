//! Why a token is accepted or refused, check by check.

use std::fmt;

use countersign_protocol::jose::{Claims, Header};
use countersign_protocol::{ErrorCode, Scope};

use crate::decision::{Fault, Judgement};
use crate::examiner::{Aspect, EveryCheck};
use crate::verified::read_scopes;

/// How one check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It passed.
    Passed,
    /// It failed, with this code.
    Failed(ErrorCode),
    /// It was not made: what it needs is not there, or nobody asked for it.
    NotJudged,
}

/// What a verifier says of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// It is accepted, and has what is asked.
    Accepted,
    /// It is refused, with the code that a verifier answers.
    Refused(ErrorCode),
    /// It cannot be judged at the moment.
    NotJudged(ErrorCode),
}

/// The outcome of every check of one token; made by
/// [`Verifier::explain`](crate::Verifier::explain). Of a token whose signature did not
/// verify it holds the header and no claim.
pub struct Explanation {
    outcomes: Vec<(Aspect, Result<(), ErrorCode>)>,
    conclusion: Conclusion,
    header: Option<Header>,
    claims: Option<Claims>,
}

impl Explanation {
    pub(crate) fn new(examiner: EveryCheck, judgement: &Judgement<'_>) -> Self {
        let EveryCheck { outcomes, first_failure, header, claims } = examiner;
        let conclusion = match (first_failure, &judgement.verdict) {
            (Some(code), _) => Conclusion::Refused(code),
            (None, Ok(_)) => Conclusion::Accepted,
            (None, Err(Fault::Refused(refused))) => Conclusion::Refused(refused.code),
            (None, Err(Fault::NotJudged(code))) => Conclusion::NotJudged(*code),
            #[cfg(feature = "api-keys")]
            (None, Err(Fault::Exhausted { .. })) => Conclusion::Refused(ErrorCode::KeyExhausted),
        };
        Self { outcomes, conclusion, header, claims }
    }

    /// How a check came out.
    pub fn finding(&self, aspect: Aspect) -> Finding {
        match self.outcomes.iter().find(|(noted, _)| *noted == aspect) {
            Some((_, Ok(()))) => Finding::Passed,
            Some((_, Err(code))) => Finding::Failed(*code),
            None => Finding::NotJudged,
        }
    }

    /// What a verifier says of the token: of the checks that failed the first.
    pub const fn conclusion(&self) -> Conclusion {
        self.conclusion
    }

    /// `alg` of the header, of a token whose form is right.
    pub fn algorithm(&self) -> Option<&'static str> {
        self.header.as_ref().map(|header| header.algorithm.as_str())
    }

    /// `kid` of the header; chosen by whoever made the token.
    pub fn key_id(&self) -> Option<&str> {
        self.header.as_ref().and_then(|header| header.key_id.as_deref())
    }

    /// `typ` of the header; chosen by whoever made the token.
    pub fn token_type(&self) -> Option<&str> {
        self.header.as_ref().and_then(|header| header.typ.as_deref())
    }

    /// The claims: only once the signature verified, be the token good otherwise or not.
    pub const fn claims(&self) -> Option<&Claims> {
        self.claims.as_ref()
    }

    /// The scopes of those claims.
    pub fn scopes(&self) -> Option<Scope> {
        read_scopes(self.claims.as_ref()?).ok()
    }
}

impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explanation")
            .field("outcomes", &self.outcomes)
            .field("conclusion", &self.conclusion)
            .finish_non_exhaustive()
    }
}
