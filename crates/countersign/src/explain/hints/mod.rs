//! What people usually did when a token is refused like this one. A hint says nothing of
//! a claim whose signature did not verify.

mod claims;
mod form;
mod trust;

use countersign_protocol::jose::{Claims, JwkSet};
use countersign_protocol::{ErrorCode, Issuer, Timestamp};
use countersign_verify::Aspect;

use super::pasted::Oddity;
use super::{Examined, Line, Outcome, Standing};

/// What is probably wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The check that it explains.
    pub about: Aspect,
    /// What is probably wrong.
    pub text: String,
    /// What to do.
    pub fix: String,
}

/// What is known.
pub(super) struct Facts<'a> {
    pub(super) examined: &'a Examined,
    pub(super) standing: &'a Standing,
    pub(super) lines: &'a [Line],
    pub(super) now: Timestamp,
    /// How far the issuer's clock is ahead of ours.
    pub(super) ahead_millis: Option<i64>,
}

/// Each looks for one mistake.
const HINTS: &[fn(&Facts<'_>) -> Option<Hint>] = &[
    form::another_scheme,
    form::no_bearer,
    form::bearer_twice,
    form::quoted,
    form::broken,
    form::not_a_token,
    form::opaque_or_encrypted,
    form::hmac,
    form::no_algorithm,
    trust::id_token,
    trust::untyped,
    trust::other_issuers_metadata,
    trust::key_of_another_issuer,
    trust::key_rotated_out,
    trust::bad_signature,
    claims::issuer,
    claims::audience,
    claims::clocks,
    claims::expired,
    claims::bound,
    claims::scope,
    claims::scope_by_another_name,
    claims::revoked,
];

pub(super) fn hints(facts: &Facts<'_>) -> Vec<Hint> {
    HINTS.iter().filter_map(|look| look(facts)).collect()
}

impl Facts<'_> {
    fn code(&self, aspect: Aspect) -> Option<ErrorCode> {
        self.lines.iter().find(|line| line.aspect == aspect).and_then(|line| match line.outcome {
            Outcome::Failed(code) => Some(code),
            Outcome::Passed | Outcome::NotJudged => None,
        })
    }

    fn claims(&self) -> Option<&Claims> {
        self.examined.explanation.claims()
    }

    fn claim(&self, name: &str) -> Option<&str> {
        self.claims()?.all.get(name)?.as_str()
    }

    fn has_oddity(&self, oddity: Oddity) -> bool {
        self.examined.pasted.oddities.contains(&oddity)
    }

    fn expected_issuer(&self) -> Option<&str> {
        self.examined.expected.issuer.as_ref().map(Issuer::as_str)
    }

    fn key_set(&self) -> Option<JwkSet> {
        JwkSet::parse(self.examined.keys.document.as_ref().ok()?).ok()
    }
}

fn hint(about: Aspect, text: impl Into<String>, fix: impl Into<String>) -> Option<Hint> {
    Some(Hint { about, text: text.into(), fix: fix.into() })
}

fn differ_by_slash(one: &str, other: &str) -> bool {
    one != other && one.strip_suffix('/').unwrap_or(one) == other.strip_suffix('/').unwrap_or(other)
}

/// In what two issuers differ, without repeating either.
fn difference(one: &str, other: &str) -> &'static str {
    let origin = |text: &str| Issuer::try_from(text).ok().map(|issuer| issuer.origin().to_owned());
    let has_other_case = one.eq_ignore_ascii_case(other);
    if differ_by_slash(one, other) {
        "by a slash at the end alone"
    } else if has_other_case {
        "by upper and lower case alone"
    } else if origin(one).is_some() && origin(one) == origin(other) {
        "the host is the same, the path is not (such as /oauth2/default, which names one authorization server of several)"
    } else {
        "in the host"
    }
}
