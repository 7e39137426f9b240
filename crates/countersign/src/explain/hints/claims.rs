//! Mistakes about what a token is for, once its claims are known to be the issuer's.

use countersign_protocol::jose::AudienceClaim;
use countersign_protocol::{Audience, ErrorCode};
use countersign_verify::{Aspect, Finding};
use serde_json::Value;

use super::trust::id_token;
use super::{Facts, Hint, differ_by_slash, difference, hint};
use crate::explain::{Standing, spoken};

/// Clocks that differ by more than this are worth a word.
const CLOCK_MILLIS: i64 = 2_000;
/// A token that expired longer ago than this did not do so because of a clock.
const CLOCK_LIKELY_MILLIS: i64 = 300_000;

pub(super) fn issuer(facts: &Facts<'_>) -> Option<Hint> {
    facts.code(Aspect::Issuer)?;
    let (found, expected) = (facts.claims()?.issuer.as_str(), facts.expected_issuer()?);
    hint(
        Aspect::Issuer,
        format!("the two issuers are compared byte for byte, and differ: {}", difference(expected, found)),
        format!("configure the API with the issuer {found}, or get the token from {expected}"),
    )
}

pub(super) fn audience(facts: &Facts<'_>) -> Option<Hint> {
    facts.code(Aspect::Audience)?;
    if id_token(facts).is_some() {
        return None;
    }
    let expected = facts.examined.expected.audience.as_ref().map(Audience::as_str)?;
    let found = match &facts.claims()?.audience {
        AudienceClaim::One(one) => vec![one.as_str()],
        AudienceClaim::Several(several) => several.iter().map(String::as_str).collect(),
    };
    let fix = format!("request the token with audience={expected}, or configure the API with the audience of the token");
    if found.iter().any(|found| differ_by_slash(found, expected)) {
        return hint(Aspect::Audience, "the two differ by a slash at the end alone", fix);
    }
    hint(Aspect::Audience, "the token was issued for another API", fix)
}

pub(super) fn clocks(facts: &Facts<'_>) -> Option<Hint> {
    let ahead = facts.ahead_millis.filter(|ahead| ahead.abs() > CLOCK_MILLIS)?;
    let direction = if ahead > 0 { "behind" } else { "ahead of" };
    hint(
        Aspect::Time,
        format!("the clock of this machine is {} {direction} the issuer's", spoken(ahead)),
        "synchronise the clocks (NTP); verifiers allow for a few seconds only",
    )
}

pub(super) fn expired(facts: &Facts<'_>) -> Option<Hint> {
    let code = facts.code(Aspect::Time)?;
    if clocks(facts).is_some() {
        return None;
    }
    let clock_fix = "synchronise the clocks of the issuer and the API (NTP)";
    if code != ErrorCode::Expired {
        return hint(Aspect::Time, "the token is from the future: the clock that judges it is behind the issuer's", clock_fix);
    }
    let ago = facts.now.millis_since(facts.claims()?.expires_at);
    let fix = "get a new token shortly before `expires_in` is over, and keep it until then";
    if facts.ahead_millis.is_none() && ago < CLOCK_LIKELY_MILLIS {
        let text = "it expired a moment ago: either it was used for too long, or the clock that judges it is ahead";
        return hint(Aspect::Time, text, format!("{fix}; {clock_fix}"));
    }
    hint(Aspect::Time, "the client went on using a token whose time is over", fix)
}

pub(super) fn bound(facts: &Facts<'_>) -> Option<Hint> {
    facts.code(Aspect::Binding)?;
    let confirmation = facts.claims()?.all.get("cnf").and_then(Value::as_object)?;
    let (text, fix) = if confirmation.contains_key("jkt") {
        (
            "the token is bound to a DPoP key (RFC 9449), and was sent as `Bearer`",
            "send it as `Authorization: DPoP` with a proof to an API that takes such, or request a token without a proof",
        )
    } else if confirmation.contains_key("x5t#S256") {
        (
            "the token is bound to a client certificate (RFC 8705), and was sent without it",
            "send it over a TLS connection with that certificate to an API that takes such, or request one without",
        )
    } else {
        ("the token is bound to a key that a bearer does not show", "request a token without a binding")
    };
    hint(Aspect::Binding, text, fix)
}

pub(super) fn scope(facts: &Facts<'_>) -> Option<Hint> {
    facts.code(Aspect::Scope)?;
    let has = facts.examined.explanation.scopes()?;
    let missing: Vec<&str> = facts.examined.expected.needs.iter().map(String::as_str).filter(|need| !has.contains(need)).collect();
    let missing = missing.join(" ");
    hint(
        Aspect::Scope,
        format!("{missing} is missing: not asked for, or not granted to the client. Scopes are compared as whole words"),
        format!("ask for it in the token request (scope={missing}), and grant it to the client if that is refused"),
    )
}

/// RFC 9068 has `scope`; we read all three.
pub(super) fn scope_by_another_name(facts: &Facts<'_>) -> Option<Hint> {
    let claims = facts.claims()?;
    let needs = &facts.examined.expected.needs;
    let has_passed = facts.examined.explanation.finding(Aspect::Scope) == Finding::Passed;
    let in_scope = |need: &String| facts.claim("scope").is_some_and(|scope| scope.split(' ').any(|word| word == need));
    let other = ["scp", "permissions"].into_iter().find(|name| claims.all.contains_key(*name))?;
    (has_passed && !needs.iter().all(in_scope)).then_some(())?;
    hint(
        Aspect::Scope,
        format!(
            "the scopes stand in `{other}`, not in `scope`: Countersign reads both, a library that reads `scope` alone finds none"
        ),
        format!("if another verifier refuses this token, tell it to read `{other}`"),
    )
}

pub(super) fn revoked(facts: &Facts<'_>) -> Option<Hint> {
    let Standing::Revoked(_, what) = facts.standing else { return None };
    hint(
        Aspect::Revocation,
        format!("{what}. An API that verifies locally and follows no revocations may accept the token until it expires"),
        "ask the operator (`countersign audit list` says who did it); then get a new token",
    )
}
