//! An API: its answers to no token, to a bad one, to a good one, and to attacks.

use bytes::Bytes;
use countersign_protocol::{Issuer, Timestamp};
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};

use super::Findings;
use super::attacks::{Known, attacks};
use crate::outside::{Answer, Observer, read_resource_metadata};

/// Most names of attacks that one line lists.
const MAX_NAMED: usize = 6;

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
    metadata(observer, &without, question, findings).await;
    if !is_protected {
        return;
    }
    let Some(refused) = bad_token(observer, url, findings).await else { return };
    if let Some(token) = question.token {
        good_token(observer, url, token, findings).await;
    }
    throw_attacks(observer, question, refused, findings).await;
}

async fn with_token(observer: &Observer<'_>, url: &str, token: &str) -> Option<Result<Answer, String>> {
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

async fn throw_attacks(observer: &Observer<'_>, question: &ApiQuestion<'_>, refused: StatusCode, findings: &mut Findings) {
    let Some(issuer) = question.issuer else {
        return findings.unreachable("attacks", "no attack was tried: the issuer is not known", "name it with --issuer");
    };
    let known = Known::of(question.token, question.url);
    let attacks = attacks(issuer, question.keys.map(|keys| &**keys), &known, question.token, question.now);
    let (mut believed, mut broken, mut sent) = (Vec::new(), Vec::new(), 0_usize);
    for attack in attacks {
        let Some(Ok(answer)) = with_token(observer, question.url, &attack.token).await else { continue };
        sent += 1;
        let is_believed = answer.status.is_success() || answer.status == StatusCode::FORBIDDEN && refused != StatusCode::FORBIDDEN;
        if is_believed {
            believed.push(attack.name);
        } else if answer.status.is_server_error() && answer.status != StatusCode::SERVICE_UNAVAILABLE {
            broken.push(attack.name);
        }
    }
    if !believed.is_empty() {
        let text = format!("IT BELIEVES {} OF {sent} FORGED TOKENS: {}", believed.len(), listed(&believed));
        findings.problem(
            "attacks",
            text,
            "anybody can call this API: fix the algorithm to that of the key, and check the signature before anything else",
        );
    }
    if !broken.is_empty() {
        let text = format!("{} of {sent} forged tokens make it fail: {}", broken.len(), listed(&broken));
        findings.problem("attacks_caught", text, "catch what the library throws, and answer 401");
    }
    match (sent, believed.is_empty()) {
        (0, _) => findings.unreachable("attacks", "no attack was answered", "send the request again"),
        (_, true) => findings.fine("attacks", format!("it refuses all {sent} forged tokens")),
        (_, false) => {}
    }
}

fn listed(names: &[String]) -> String {
    let more = if names.len() > MAX_NAMED { ", ..." } else { "" };
    format!("{}{more}", names.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// RFC 9728: where the challenge names metadata, it is there and about this API.
async fn metadata(observer: &Observer<'_>, answer: &Answer, question: &ApiQuestion<'_>, findings: &mut Findings) {
    let Some(url) = challenge(answer).and_then(|challenge| parameter(&challenge, "resource_metadata")) else { return };
    let Some(found) = read_resource_metadata(observer, &url).await else {
        return findings.problem(
            "resource_metadata",
            format!("the challenge names {url}, and no metadata is there"),
            "serve the document of RFC 9728 section 3 there",
        );
    };
    let resource = found.resource.trim_end_matches('/');
    if !question.url.starts_with(resource) {
        let text = format!("the metadata is about {}, which {} is not part of", found.resource, question.url);
        return findings.problem("resource_metadata", text, "let `resource` be the identifier of this API (RFC 9728 section 3.3)");
    }
    let Some(issuer) = question.issuer else {
        return findings.fine("resource_metadata", format!("the metadata names {}", found.resource));
    };
    if found.authorization_servers.iter().any(|own| own == issuer.as_str()) {
        findings.fine("resource_metadata", format!("the metadata names {} and the issuer", found.resource));
    } else {
        let text = format!(
            "the metadata does not name the issuer {issuer}, byte for byte: it names {}",
            found.authorization_servers.join(", ")
        );
        findings.problem("resource_metadata", text, "let `authorization_servers` have the issuer as it calls itself");
    }
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
    use super::parameter;

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
