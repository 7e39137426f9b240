//! A report for people: one line per check, the hints below, the verdict last.

use countersign_protocol::ErrorCode;
use countersign_verify::Aspect;

use crate::cli::view::clean;
use crate::explain::{Hint, Line, Outcome, Report, Verdict};

/// Where the details begin.
const INDENT: usize = 16;

pub(super) fn of(report: &Report) -> String {
    let mut text = Vec::new();
    for line in &report.lines {
        text.push(one(line));
        text.extend(report.hints.iter().filter(|hint| hint.about == line.aspect).flat_map(told));
    }
    text.push(String::new());
    text.push(verdict(report.verdict));
    text.join("\n")
}

fn one(line: &Line) -> String {
    let (mark, code) = match line.outcome {
        Outcome::Passed => ("ok", String::new()),
        Outcome::Failed(code) => ("X", format!("  [{code}]")),
        Outcome::NotJudged => ("-", String::new()),
    };
    let detail = if line.detail.is_empty() { meaning(line.outcome) } else { clean(&line.detail) };
    format!("  {mark:<3} {:<10} {detail}{code}", line.aspect.as_str())
}

fn meaning(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed(code) => code.meaning().to_owned(),
        Outcome::Passed | Outcome::NotJudged => String::new(),
    }
}

fn told(hint: &Hint) -> [String; 2] {
    let indent = " ".repeat(INDENT);
    [format!("{indent} {}", clean(&hint.text)), format!("{indent} Fix: {}", clean(&hint.fix))]
}

fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Accepted => "Accepted.".to_owned(),
        Verdict::Refused(code) => format!("Refused: {} {code}. {}{}", status(code), code.meaning(), page(code)),
        Verdict::NotJudged(code) => format!("Not judged: {code}. {}{}", code.meaning(), page(code)),
        Verdict::Incomplete => "Nothing is wrong as far as it was judged: name the issuer (--issuer) and the API (--api) that \
                                the token is meant for to judge the rest."
            .to_owned(),
    }
}

fn page(code: ErrorCode) -> String {
    format!("\n`countersign error-page {code}` says more.")
}

/// What an API answers (RFC 6750 section 3.1).
fn status(code: ErrorCode) -> u16 {
    if matches!(code, ErrorCode::AuthorizationMalformed | ErrorCode::SeveralTokens) {
        400
    } else if code == ErrorCode::InsufficientScope {
        403
    } else {
        401
    }
}

/// The names fit into their column.
const _: () = assert!(Aspect::Revocation.as_str().len() <= 10 && Aspect::Algorithm.as_str().len() <= 10);
