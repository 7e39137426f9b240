//! An API: its answers to no token, to a bad one, to a good one, and to attacks.

use bytes::Bytes;
use countersign_protocol::{Issuer, Timestamp};
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use url::Url;

use super::Findings;
use super::attacks::{Attacks, Known, attacks};
use crate::outside::{Answer, NoAnswer, Observer, find_resource_metadata, read_resource_metadata};

/// Most names of attacks that one line lists.
const MAX_NAMED: usize = 6;

/// Forged tokens that may go unjudged before no more is sent.
const MAX_UNDECIDED: usize = 10;

/// What is asked about an API.
pub(crate) struct ApiQuestion<'a> {
    /// A path that takes GET and needs a token.
    pub(crate) url: &'a str,
    /// A token that it accepts.
    pub(crate) token: Option<&'a str>,
    pub(crate) issuer: Option<&'a Issuer>,
    /// The issuer's keys as they were served.
    pub(crate) keys: Option<&'a Bytes>,
    pub(crate) now: Timestamp,
}

/// Looks at an API.
pub(crate) async fn examine_api(observer: &Observer<'_>, question: &ApiQuestion<'_>, findings: &mut Findings) {
    let url = question.url;
    let without = match observer.get(url).await {
        Ok(answer) => answer,
        Err(why) => return findings.unreachable("api", format!("no answer from {url}: {why}"), "check name, port and certificate"),
    };
    findings.clock("api_clock", without.ahead_millis);
    let is_protected = no_token(&without, url, findings);
    let resource = metadata(observer, &without, question, findings).await;
    if !is_protected {
        return;
    }
    let Some(refused) = bad_token(observer, url, findings).await else { return };
    if let Some(token) = question.token {
        good_token(observer, url, token, findings).await;
    }
    let known = Known::of(question.token, resource);
    throw_attacks(observer, question, &known, refused, findings).await;
}

async fn with_token(observer: &Observer<'_>, url: &str, token: &str) -> Option<Result<Answer, NoAnswer>> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(observer.get_with(url, &[(AUTHORIZATION, value)]).await)
}

/// RFC 6750 section 3: 401 with a challenge, and without an error code.
fn no_token(answer: &Answer, url: &str, findings: &mut Findings) -> bool {
    let status = answer.status;
    let fix = "answer 401 with `WWW-Authenticate: Bearer` (RFC 6750 section 3)";
    if status.is_success() {
        findings.problem(
            "no_token",
            format!("{url} answers {status} without any token: it is not protected"),
            "name a protected path, or protect it",
        );
        return false;
    }
    if status == StatusCode::NOT_FOUND || status == StatusCode::METHOD_NOT_ALLOWED || status.is_redirection() {
        findings.problem(
            "no_token",
            format!("{url} answers {status} without a token: nothing can be told about it"),
            "name a path that takes GET and needs a token",
        );
        return false;
    }
    match (status, challenge(answer)) {
        (StatusCode::UNAUTHORIZED, Some(challenge)) if parameter(&challenge, "error").is_some() => {
            findings.problem(
                "no_token",
                "the challenge has an `error` although no token was sent",
                "leave `error` out where there is no token (RFC 6750 section 3.1)",
            );
        }
        (StatusCode::UNAUTHORIZED, Some(_)) => findings.fine("no_token", "without a token it answers 401 with a Bearer challenge"),
        (StatusCode::UNAUTHORIZED, None) => {
            findings.problem("no_token", "without a token it answers 401 without a Bearer challenge", fix)
        }
        (status, _) => findings.problem("no_token", format!("without a token it answers {status} instead of 401"), fix),
    }
    true
}

/// The answer to what is no token at all; none when it was taken for one.
async fn bad_token(observer: &Observer<'_>, url: &str, findings: &mut Findings) -> Option<StatusCode> {
    let answer = match with_token(observer, url, "no-token").await? {
        Ok(answer) => answer,
        Err(why) => {
            findings.unreachable("bad_token", format!("no answer from {url}: {why}"), "send the request again");
            return None;
        }
    };
    let error = challenge(&answer).and_then(|challenge| parameter(&challenge, "error"));
    match (answer.status, error.as_deref()) {
        (status, _) if status.is_success() => {
            findings.problem(
                "bad_token",
                "IT ACCEPTS ANY TEXT AS A TOKEN",
                "verify the token: `countersign-verify`, or a JWT library with issuer and audience",
            );
            return None;
        }
        (StatusCode::UNAUTHORIZED, Some("invalid_token")) => {
            findings.fine("bad_token", "a text that is no token is answered with 401 invalid_token")
        }
        (status, _) if status.is_server_error() => {
            let fix = "catch what the library throws, and answer 401";
            findings.problem("bad_token", format!("a text that is no token is answered with {status}: it is not caught"), fix);
        }
        (status, error) => {
            let said = error.map_or_else(|| "without an error code".to_owned(), |error| format!("with `{error}`"));
            let fix = "answer 401 with error=\"invalid_token\" (RFC 6750 section 3.1): clients then get a new token";
            findings.problem("bad_token", format!("a text that is no token is answered with {status} {said}"), fix);
        }
    }
    Some(answer.status)
}

async fn good_token(observer: &Observer<'_>, url: &str, token: &str, findings: &mut Findings) {
    let Some(Ok(answer)) = with_token(observer, url, token).await else {
        return findings.unreachable("good_token", "no answer to the good token", "send the request again");
    };
    match answer.status {
        status if status.is_success() => findings.fine("good_token", format!("the good token is answered with {status}")),
        StatusCode::FORBIDDEN => findings.problem(
            "good_token",
            "the good token is answered with 403: it lacks a scope",
            "get a token with the scope that the path needs",
        ),
        status => findings.problem(
            "good_token",
            format!("the good token is answered with {status}"),
            "`countersign explain` says why it is refused",
        ),
    }
}

/// What an answer to a forged token says.
#[derive(Debug, PartialEq, Eq)]
enum Reaction {
    Refused,
    Believed,
    /// It failed instead of refusing.
    Broken,
    /// Nothing: the token was not looked at.
    Undecided(String),
}

/// `refused` is what the API answers to a text that is no token.
fn reaction(status: StatusCode, refused: StatusCode) -> Reaction {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Reaction::Refused,
        StatusCode::FORBIDDEN if refused == StatusCode::FORBIDDEN => Reaction::Refused,
        StatusCode::FORBIDDEN => Reaction::Believed,
        StatusCode::SERVICE_UNAVAILABLE => Reaction::Undecided(status.to_string()),
        _ if status.is_success() => Reaction::Believed,
        _ if status.is_server_error() => Reaction::Broken,
        _ => Reaction::Undecided(status.to_string()),
    }
}

async fn throw_attacks(
    observer: &Observer<'_>,
    question: &ApiQuestion<'_>,
    known: &Known,
    refused: StatusCode,
    findings: &mut Findings,
) {
    let Some(issuer) = question.issuer else {
        return findings.unreachable("attacks", "no attack was tried: the issuer is not known", "name it with --issuer");
    };
    let keys = question.keys.map(|keys| &**keys);
    let Attacks { attacks, guessed } = attacks(issuer, question.url, keys, known, question.token, question.now);
    let total = attacks.len();
    let (mut believed, mut broken, mut undecided, mut judged) = (Vec::new(), Vec::new(), Vec::new(), 0_usize);
    for attack in attacks {
        let reaction = match with_token(observer, question.url, &attack.token).await {
            Some(Ok(answer)) => reaction(answer.status, refused),
            Some(Err(_)) | None => Reaction::Undecided("no answer".to_owned()),
        };
        judged += usize::from(!matches!(reaction, Reaction::Undecided(_)));
        match reaction {
            Reaction::Refused => {}
            Reaction::Believed => believed.push(attack.name),
            Reaction::Broken => broken.push(attack.name),
            Reaction::Undecided(why) => undecided.push(format!("{} ({why})", attack.name)),
        }
        if undecided.len() >= MAX_UNDECIDED {
            break;
        }
    }
    if !believed.is_empty() {
        let text = format!("IT BELIEVES {} OF {judged} FORGED TOKENS: {}", believed.len(), listed(&believed));
        findings.problem(
            "attacks",
            text,
            "anybody can call this API: fix the algorithm to that of the key, and check the signature before anything else",
        );
    }
    if !broken.is_empty() {
        let text = format!("{} of {judged} forged tokens make it fail: {}", broken.len(), listed(&broken));
        findings.problem("attacks_caught", text, "catch what the library throws, and answer 401");
    }
    if !undecided.is_empty() {
        let text = format!("{} of {total} forged tokens were not judged: {}", total - judged, listed(&undecided));
        findings.unreachable("attacks", text, "look into its log, lift limits on requests for the time, and ask again");
    } else if believed.is_empty() && broken.is_empty() {
        all_refused(total, &guessed, findings);
    }
}

/// An API that refuses tokens for a wrong audience or key has shown nothing else.
fn all_refused(total: usize, guessed: &[&str], findings: &mut Findings) {
    if guessed.is_empty() {
        return findings.fine("attacks", format!("it refuses all {total} forged tokens"));
    }
    let text = format!("it refuses all {total} forged tokens, perhaps only because of their guessed {}", guessed.join(" and "));
    findings.unreachable("attacks", text, "give it a good token with --token, and let the issuer publish its keys");
}

fn listed(names: &[String]) -> String {
    let more = if names.len() > MAX_NAMED { ", ..." } else { "" };
    format!("{}{more}", names.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// RFC 9728: where the challenge names metadata, it is there and about this API. Returns
/// the identifier of the API, if metadata that is about it says so.
async fn metadata(observer: &Observer<'_>, answer: &Answer, question: &ApiQuestion<'_>, findings: &mut Findings) -> Option<String> {
    let Some(url) = challenge(answer).and_then(|challenge| parameter(&challenge, "resource_metadata")) else {
        let found = find_resource_metadata(observer, question.url).await?;
        return Some(found.resource).filter(|resource| covers(resource, question.url));
    };
    let Some(found) = read_resource_metadata(observer, &url).await else {
        findings.problem(
            "resource_metadata",
            format!("the challenge names {url}, and no metadata is there"),
            "serve the document of RFC 9728 section 3 there",
        );
        return None;
    };
    if !covers(&found.resource, question.url) {
        let text = format!("the metadata is about {}, which {} is not part of", found.resource, question.url);
        findings.problem("resource_metadata", text, "let `resource` be the identifier of this API (RFC 9728 section 3.3)");
        return None;
    }
    let names = |issuer: &Issuer| found.authorization_servers.iter().any(|own| own == issuer.as_str());
    match question.issuer {
        None => findings.fine("resource_metadata", format!("the metadata names {}", found.resource)),
        Some(issuer) if names(issuer) => {
            findings.fine("resource_metadata", format!("the metadata names {} and the issuer", found.resource))
        }
        Some(issuer) => {
            let text = format!(
                "the metadata does not name the issuer {issuer}, byte for byte: it names {}",
                found.authorization_servers.join(", ")
            );
            findings.problem("resource_metadata", text, "let `authorization_servers` have the issuer as it calls itself");
        }
    }
    Some(found.resource)
}

/// Whether a URL is part of a resource: of the same origin, and below its path.
fn covers(resource: &str, url: &str) -> bool {
    let (Ok(resource), Ok(url)) = (Url::parse(resource), Url::parse(url)) else { return false };
    let rest = url.path().strip_prefix(resource.path().trim_end_matches('/'));
    resource.origin() == url.origin() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The parameters of the Bearer challenge.
fn challenge(answer: &Answer) -> Option<String> {
    let values = answer.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let bearer = |value: &str| {
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        scheme.eq_ignore_ascii_case("bearer").then(|| rest.to_owned())
    };
    values.into_iter().find_map(bearer)
}

/// A parameter of a challenge, with its quotes taken off.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let mut rest = challenge.trim_start();
    while let Some((own, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if own.trim_matches([' ', ',']).eq_ignore_ascii_case(name) {
            return Some(value.trim().to_owned());
        }
        rest = next.trim_start_matches([' ', ',']);
    }
    None
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{Reaction, covers, parameter, reaction};

    #[test]
    fn only_an_answer_that_refuses_is_a_refusal() {
        let status = |code: u16| StatusCode::from_u16(code).unwrap();
        let of = |code: u16| reaction(status(code), StatusCode::UNAUTHORIZED);
        for code in [400, 401, 431] {
            assert_eq!(of(code), Reaction::Refused, "{code}");
        }
        for code in [302, 404, 405, 408, 429, 503] {
            assert!(matches!(of(code), Reaction::Undecided(_)), "{code}");
        }
        for code in [200, 204, 403] {
            assert_eq!(of(code), Reaction::Believed, "{code}");
        }
        for code in [500, 502, 504] {
            assert_eq!(of(code), Reaction::Broken, "{code}");
        }
        assert_eq!(reaction(status(403), status(403)), Reaction::Refused);
    }

    #[test]
    fn a_resource_covers_what_is_below_it_and_no_other_name_that_begins_like_it() {
        for (resource, url) in [
            ("https://api.test", "https://api.test/users"),
            ("https://API.test:443/", "https://api.test/users"),
            ("https://api.test/v1", "https://api.test/v1"),
            ("https://api.test/v1/", "https://api.test/v1/users?page=2"),
        ] {
            assert!(covers(resource, url), "{resource} {url}");
        }
        for (resource, url) in [
            ("https://api.test", "https://api.test.attacker.test/users"),
            ("https://api.test/v1", "https://api.test/v10"),
            ("http://api.test/", "https://api.test/"),
            ("https://api.test:8443/", "https://api.test/"),
            ("", "https://api.test/"),
        ] {
            assert!(!covers(resource, url), "{resource} {url}");
        }
    }

    #[test]
    fn parameters_are_read_with_and_without_quotes() {
        let challenge = r#"realm="a, error=x", error="invalid_token", scope=read , resource_metadata="https://a.test/x?y=z""#;
        for (name, value) in [
            ("realm", Some("a, error=x")),
            ("error", Some("invalid_token")),
            ("scope", Some("read")),
            ("Resource_Metadata", Some("https://a.test/x?y=z")),
            ("x", None),
        ] {
            assert_eq!(parameter(challenge, name).as_deref(), value, "{name}");
        }
    }
}
