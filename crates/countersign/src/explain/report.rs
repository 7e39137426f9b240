//! What is told: the checks, the verdict, the hints.

use countersign_protocol::ErrorCode;
use countersign_verify::{Aspect, Conclusion};
use serde_json::{Value, json};

use super::hints::{Facts, Hint, hints};
use super::lines::{Line, Outcome, lines};
use super::{Examined, Standing};

/// The answer to "why".
#[derive(Clone, Debug)]
pub struct Report {
    /// The checks, in their order.
    pub lines: Vec<Line>,
    /// What a verifier says.
    pub verdict: Verdict,
    /// What is probably wrong, and what to do.
    pub hints: Vec<Hint>,
}

/// What a verifier says of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is accepted.
    Accepted,
    /// It is refused, with this code.
    Refused(ErrorCode),
    /// It cannot be judged: the keys are not there.
    NotJudged(ErrorCode),
    /// Nothing is wrong as far as it was judged; issuer or audience were not compared.
    Incomplete,
}

impl Report {
    pub(super) fn of(examined: &Examined, standing: &Standing, ahead_millis: Option<i64>) -> Self {
        let now = examined.clock.now();
        let lines = lines(examined, standing, now);
        let verdict = verdict(examined, &lines);
        let hints = hints(&Facts { examined, standing, lines: &lines, now, ahead_millis });
        Self { lines, verdict, hints }
    }

    /// The line of one check.
    pub fn line(&self, aspect: Aspect) -> Option<&Line> {
        self.lines.iter().find(|line| line.aspect == aspect)
    }

    /// The report as JSON.
    pub fn to_json(&self) -> Value {
        let (result, code) = self.verdict.parts();
        let checks: Vec<Value> = self.lines.iter().map(line_json).collect();
        let hints: Vec<Value> =
            self.hints.iter().map(|hint| json!({ "about": hint.about.as_str(), "text": hint.text, "fix": hint.fix })).collect();
        json!({
            "verdict": result,
            "code": code.map(ErrorCode::as_str),
            "meaning": code.map(ErrorCode::meaning),
            "page": code.map(|code| format!("/errors/{code}")),
            "checks": checks,
            "hints": hints,
        })
    }
}

impl Verdict {
    /// The name of it, and the code.
    pub const fn parts(self) -> (&'static str, Option<ErrorCode>) {
        match self {
            Self::Accepted => ("accepted", None),
            Self::Refused(code) => ("refused", Some(code)),
            Self::NotJudged(code) => ("not_judged", Some(code)),
            Self::Incomplete => ("incomplete", None),
        }
    }
}

fn line_json(line: &Line) -> Value {
    let (result, code) = match line.outcome {
        Outcome::Passed => ("ok", None),
        Outcome::Failed(code) => ("failed", Some(code.as_str())),
        Outcome::NotJudged => ("not_judged", None),
    };
    json!({ "check": line.aspect.as_str(), "result": result, "code": code, "detail": line.detail })
}

/// Of what failed, what a verifier comes upon first.
fn verdict(examined: &Examined, lines: &[Line]) -> Verdict {
    let failed = |line: &Line| match line.outcome {
        Outcome::Failed(code) => Some(code),
        Outcome::Passed | Outcome::NotJudged => None,
    };
    let failures: Vec<ErrorCode> = lines.iter().filter_map(failed).collect();
    if let Some(code) = examined.pasted.refusal {
        return Verdict::Refused(code);
    }
    match examined.explanation.conclusion() {
        // The core's own order; a failure that does not count is not among the lines.
        Conclusion::Refused(code) if failures.contains(&code) => Verdict::Refused(code),
        Conclusion::NotJudged(code) if failures.is_empty() => Verdict::NotJudged(code),
        Conclusion::Accepted | Conclusion::Refused(_) | Conclusion::NotJudged(_) => match failures.first() {
            Some(code) => Verdict::Refused(*code),
            None if examined.expected.issuer.is_none() || examined.expected.audience.is_none() => Verdict::Incomplete,
            None => Verdict::Accepted,
        },
    }
}
