//! One line per check.

use countersign_protocol::jose::{AudienceClaim, Claims};
use countersign_protocol::{Audience, ErrorCode, Issuer, Timestamp};
use countersign_verify::{Aspect, Finding};

use super::{Examined, Expectations, KeysMissing, Standing, spoken};

/// How a check came out, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It failed.
    Failed(ErrorCode),
    /// It was not judged; the detail says why.
    NotJudged,
}

/// A check and its outcome.
#[derive(Clone, Debug)]
pub struct Line {
    /// What was checked.
    pub aspect: Aspect,
    /// How it came out.
    pub outcome: Outcome,
    /// What was found, or why it was not judged. Claims only once they were verified.
    pub detail: String,
}

/// Every line that there is something to say on.
pub(super) fn lines(examined: &Examined, standing: &Standing, now: Timestamp) -> Vec<Line> {
    let lines = Aspect::ALL.iter().map(|aspect| line(examined, standing, *aspect, now));
    lines.filter(|line| line.aspect != Aspect::Rule || matches!(line.outcome, Outcome::Failed(_))).collect()
}

fn line(examined: &Examined, standing: &Standing, aspect: Aspect, now: Timestamp) -> Line {
    if aspect == Aspect::Revocation {
        return revocation(standing);
    }
    let outcome = match examined.explanation.finding(aspect) {
        Finding::NotJudged => Outcome::NotJudged,
        _ if is_unnamed(examined, aspect) => Outcome::NotJudged,
        Finding::Passed => Outcome::Passed,
        Finding::Failed(code) => Outcome::Failed(code),
    };
    // What was sent is not the token alone.
    let outcome = match (aspect, examined.pasted.refusal) {
        (Aspect::Format, Some(code)) => Outcome::Failed(code),
        _ => outcome,
    };
    let detail = match outcome {
        Outcome::NotJudged => why_not(examined, aspect),
        Outcome::Passed | Outcome::Failed(_) => detail(examined, aspect, outcome, now),
    };
    Line { aspect, outcome, detail }
}

/// Nobody said what to compare with.
fn is_unnamed(examined: &Examined, aspect: Aspect) -> bool {
    let Expectations { issuer, audience, .. } = &examined.expected;
    aspect == Aspect::Issuer && issuer.is_none() || aspect == Aspect::Audience && audience.is_none()
}

fn why_not(examined: &Examined, aspect: Aspect) -> String {
    if let Some(why) = nothing_to_compare(examined, aspect) {
        return why;
    }
    let has_failed = |aspect| matches!(examined.explanation.finding(aspect), Finding::Failed(_));
    let has_header = examined.explanation.algorithm().is_some();
    if has_failed(Aspect::Format) || has_failed(Aspect::Algorithm) && !has_header {
        "there is no signed token to look into".to_owned()
    } else if aspect == Aspect::Key {
        keys_missing(examined)
    } else if aspect == Aspect::Signature {
        "there is no key to check it with".to_owned()
    } else if has_failed(Aspect::Signature) {
        "the signature failed: nothing that the token says can be believed".to_owned()
    } else if has_failed(Aspect::Claims) {
        "the claims cannot be read".to_owned()
    } else {
        "the signature was not checked: nothing that the token says can be believed".to_owned()
    }
}

/// What nobody asked for; what the token says, once that is verified.
fn nothing_to_compare(examined: &Examined, aspect: Aspect) -> Option<String> {
    let claims = examined.explanation.claims();
    if aspect == Aspect::Issuer && examined.expected.issuer.is_none() {
        let said = claims.map(|claims| format!("the token says \"{}\", and ", claims.issuer)).unwrap_or_default();
        return Some(format!("{said}no issuer was named to compare it with"));
    }
    if aspect == Aspect::Audience && examined.expected.audience.is_none() {
        let said = claims.map(|claims| format!("the token is for {}, and ", audiences(claims))).unwrap_or_default();
        return Some(format!("{said}no API was named to compare it with"));
    }
    if aspect == Aspect::Scope && examined.expected.needs.is_empty() {
        let scopes = examined.explanation.scopes().map(|scopes| scopes.to_string());
        let said = scopes.map(|scopes| format!("the token has {}, and ", or_none(&scopes))).unwrap_or_default();
        return Some(format!("{said}no scope was asked for"));
    }
    None
}

const fn or_none(scopes: &str) -> &str {
    if scopes.is_empty() { "none" } else { scopes }
}

fn keys_missing(examined: &Examined) -> String {
    match &examined.keys.document {
        Err(KeysMissing::NoIssuer) => "no issuer was named whose keys could be asked for".to_owned(),
        Err(KeysMissing::OtherIssuer(_)) => format!("the metadata at {} is another issuer's", examined.keys.place),
        Err(KeysMissing::Unusable(why)) => format!("the keys of {} cannot be had: {why}", examined.keys.place),
        Ok(_) => "nothing to look up".to_owned(),
    }
}

fn detail(examined: &Examined, aspect: Aspect, outcome: Outcome, now: Timestamp) -> String {
    let explanation = &examined.explanation;
    let header = |value: Option<&str>| value.map_or_else(|| "none".to_owned(), |text| format!("\"{text}\""));
    let failure = match outcome {
        Outcome::Failed(code) => Some(code),
        Outcome::Passed | Outcome::NotJudged => None,
    };
    match aspect {
        Aspect::Format => format!("{}, {} bytes", examined.shape.name(), examined.pasted.token.len()),
        Aspect::Algorithm => match (explanation.algorithm(), examined.unverified.header("alg")) {
            (Some(known), _) => known.to_owned(),
            (None, other) => format!("alg is {}", header(other)),
        },
        Aspect::Type => format!("typ is {}", header(explanation.token_type())),
        Aspect::Key => {
            let relation = if failure.is_some() { "is not among the keys of" } else { "from" };
            format!("kid {} {relation} {}", header(explanation.key_id()), examined.keys.place)
        }
        Aspect::Signature => if failure.is_some() { "it is not that of the key" } else { "it is that of the key" }.to_owned(),
        Aspect::Claims => match failure {
            Some(code) => code.meaning().trim_end_matches('.').to_owned(),
            None => "those of an access token are there".to_owned(),
        },
        Aspect::Issuer | Aspect::Audience | Aspect::Time | Aspect::Binding | Aspect::Scope => match explanation.claims() {
            Some(claims) => of_claims(examined, aspect, failure, claims, now),
            None => String::new(),
        },
        Aspect::Rule | Aspect::Revocation => String::new(),
    }
}

fn of_claims(examined: &Examined, aspect: Aspect, failure: Option<ErrorCode>, claims: &Claims, now: Timestamp) -> String {
    let expected = &examined.expected;
    let compared = |found: String, wanted: Option<&str>| match wanted {
        Some(wanted) if failure.is_some() => format!("the token says {found}, the API expects \"{wanted}\""),
        Some(_) | None => found,
    };
    if aspect == Aspect::Issuer {
        compared(format!("\"{}\"", claims.issuer), expected.issuer.as_ref().map(Issuer::as_str))
    } else if aspect == Aspect::Audience {
        compared(audiences(claims), expected.audience.as_ref().map(Audience::as_str))
    } else if aspect == Aspect::Time {
        time(failure, claims, now)
    } else if aspect == Aspect::Binding {
        let bound = "the token is bound to a key (cnf) that a bearer does not show";
        if failure.is_some() { bound } else { "a bearer token: bound to no key" }.to_owned()
    } else {
        let scopes = examined.explanation.scopes().map(|scopes| scopes.to_string()).unwrap_or_default();
        format!("needs {}; the token has {}", expected.needs.join(" "), or_none(&scopes))
    }
}

fn time(failure: Option<ErrorCode>, claims: &Claims, now: Timestamp) -> String {
    let until = |at: Timestamp| spoken(at.millis_since(now));
    let ahead = |at: Option<Timestamp>| at.map(until).unwrap_or_default();
    if failure == Some(ErrorCode::NotYetValid) {
        format!("valid only in {}", ahead(claims.not_before))
    } else if failure == Some(ErrorCode::IssuedInFuture) {
        format!("issued {} in the future", ahead(claims.issued_at))
    } else if failure.is_some() {
        format!("expired {} ago", until(claims.expires_at))
    } else if claims.expires_at <= now {
        format!("expired {} ago, within the leeway", until(claims.expires_at))
    } else {
        format!("expires in {}", until(claims.expires_at))
    }
}

fn audiences(claims: &Claims) -> String {
    match &claims.audience {
        AudienceClaim::One(one) => format!("\"{one}\""),
        AudienceClaim::Several(several) => several.iter().map(|one| format!("\"{one}\"")).collect::<Vec<_>>().join(", "),
    }
}

fn revocation(standing: &Standing) -> Line {
    let (outcome, detail) = match standing {
        Standing::NotAsked(how) => (Outcome::NotJudged, (*how).to_owned()),
        Standing::Unknown(why) => (Outcome::NotJudged, why.clone()),
        Standing::Live(detail) => (Outcome::Passed, detail.clone()),
        Standing::Revoked(code, detail) => (Outcome::Failed(*code), detail.clone()),
    };
    Line { aspect: Aspect::Revocation, outcome, detail }
}
