//! What is wrong with an issuer or an API, seen from outside.

mod api;
mod attacks;
mod issuer;
mod key_set;

use serde_json::{Value, json};

pub(crate) use api::{ApiQuestion, examine_api};
pub(crate) use issuer::examine_issuer;

/// Clocks that differ by more than this make good tokens fail.
const CLOCK_MILLIS: i64 = 2_000;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// As it should be.
    Fine,
    /// Something is to be mended.
    Problem,
    /// It could not be looked at.
    Unreachable,
}

/// One line of the doctor's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// A name that does not change, for scripts.
    pub(crate) check: &'static str,
    pub(crate) level: Level,
    /// What was found.
    pub(crate) text: String,
    /// What to do; of what is fine, nothing.
    pub(crate) fix: Option<String>,
}

/// What was found, in the order of looking.
#[derive(Debug, Default)]
pub(crate) struct Findings(pub(crate) Vec<Finding>);

impl Findings {
    fn fine(&mut self, check: &'static str, text: impl Into<String>) {
        self.0.push(Finding { check, level: Level::Fine, text: text.into(), fix: None });
    }

    fn problem(&mut self, check: &'static str, text: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Finding { check, level: Level::Problem, text: text.into(), fix: Some(fix.into()) });
    }

    fn unreachable(&mut self, check: &'static str, text: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Finding { check, level: Level::Unreachable, text: text.into(), fix: Some(fix.into()) });
    }

    /// The clock of whoever answered.
    fn clock(&mut self, check: &'static str, ahead_millis: Option<i64>) {
        match ahead_millis {
            None => self.problem(check, "the answer has no `Date`", "let the server send `Date` (RFC 9110 section 6.6.1)"),
            Some(ahead) if ahead.abs() > CLOCK_MILLIS => {
                let direction = if ahead > 0 { "ahead of" } else { "behind" };
                let span = crate::explain::spoken(ahead);
                self.problem(
                    check,
                    format!("its clock is {span} {direction} that of this machine"),
                    "synchronise both clocks (NTP): tokens are refused as expired or from the future otherwise",
                );
            }
            Some(_) => self.fine(check, "its clock and that of this machine agree"),
        }
    }

    /// The findings as JSON.
    pub(crate) fn to_json(&self) -> Value {
        let shown = |finding: &Finding| json!({ "check": finding.check, "result": finding.level.as_str(), "text": finding.text, "fix": finding.fix });
        let findings: Vec<Value> = self.0.iter().map(shown).collect();
        json!({ "findings": findings })
    }

    /// Whether any is of this level.
    pub(crate) fn has(&self, level: Level) -> bool {
        self.0.iter().any(|finding| finding.level == level)
    }
}

impl Level {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Problem => "problem",
            Self::Unreachable => "unreachable",
        }
    }
}
