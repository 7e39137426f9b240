//! An issuer: its metadata, its endpoints, its keys.

use countersign_protocol::Issuer;
use http::StatusCode;
use http::header::CACHE_CONTROL;
use serde_json::{Map, Value};

use super::{Findings, key_set};
use crate::outside::{Answer, IssuerDocuments, IssuerFault, NoAnswer, Observer};

/// Longest time for which keys may be cached: a key that is withdrawn in an emergency is
/// believed for as long.
const MAX_AGE_SECONDS: u64 = 86_400;

/// Looks at an issuer; returns its keys as they were served.
pub(crate) async fn examine_issuer(observer: &Observer<'_>, issuer: &Issuer, findings: &mut Findings) -> Option<Answer> {
    let documents = IssuerDocuments::fetch(observer, issuer).await;
    match &documents.fault {
        None => findings.fine("metadata", format!("the metadata is that of {issuer}")),
        Some(fault) => of_fault(issuer, fault, findings),
    }
    if let Some(answer) = &documents.metadata_answer {
        findings.clock("issuer_clock", answer.ahead_millis);
    }
    if let Some(metadata) = &documents.metadata {
        endpoints(observer, issuer, metadata, findings).await;
    }
    if let Some(keys) = &documents.keys {
        key_set::examine(&keys.body, findings);
        caching(keys, findings);
    }
    documents.keys
}

fn of_fault(issuer: &Issuer, fault: &IssuerFault, findings: &mut Findings) {
    match fault {
        IssuerFault::OtherIssuer { stated, .. } => {
            let slash = if stated.trim_end_matches('/') == issuer.as_str().trim_end_matches('/') {
                ": the two differ by a slash at the end alone"
            } else {
                ""
            };
            findings.problem(
                "metadata",
                format!("{fault}, not of {issuer}{slash}"),
                format!("name the issuer as it calls itself: {stated}"),
            );
        }
        IssuerFault::NoMetadata { .. } => {
            findings.problem("metadata", fault.to_string(), "serve the document of RFC 8414 section 2 there");
        }
        IssuerFault::InsecureKeys { .. } => {
            findings.problem("metadata", fault.to_string(), "serve the keys over https: whoever changes them can make tokens");
        }
        IssuerFault::Status { status, .. } if status.is_client_error() => {
            findings.problem("metadata", fault.to_string(), "compare the path with that of the issuer, byte for byte");
        }
        IssuerFault::Status { .. } => findings.unreachable("metadata", fault.to_string(), "look into the issuer's log"),
        IssuerFault::Unreachable { why: NoAnswer::PlainHttp, .. } => {
            findings.problem("metadata", fault.to_string(), "serve the issuer over https");
        }
        IssuerFault::Unreachable { .. } => findings.unreachable("metadata", fault.to_string(), "check name, port and certificate"),
    }
}

/// Whether what the metadata names is there: any answer but "no such path" or a fault.
async fn endpoints(observer: &Observer<'_>, issuer: &Issuer, metadata: &Map<String, Value>, findings: &mut Findings) {
    if !metadata.contains_key("token_endpoint") {
        findings.problem("endpoints", "the metadata names no `token_endpoint`", "add it (RFC 8414 section 2)");
        return;
    }
    let mut reached = Vec::new();
    for name in ["token_endpoint", "introspection_endpoint", "revocation_endpoint"] {
        let Some(url) = metadata.get(name).and_then(Value::as_str) else { continue };
        if issuer.is_https() && !url.starts_with("https://") {
            findings.problem("endpoints", format!("{name} {url} is not an https URL"), "name its https URL");
            continue;
        }
        match observer.get(url).await {
            Err(why) => {
                findings.problem("endpoints", format!("{name} {url} does not answer: {why}"), "name a URL that clients reach")
            }
            Ok(answer) if answer.status == StatusCode::NOT_FOUND || answer.status.is_server_error() => {
                findings.problem("endpoints", format!("{name} {url} answered {}", answer.status), "name the URL at which it is");
            }
            Ok(_) => reached.push(name),
        }
    }
    if !reached.is_empty() {
        findings.fine("endpoints", format!("{} can be reached", reached.join(", ")));
    }
}

fn caching(keys: &Answer, findings: &mut Findings) {
    let directives = keys.header(&CACHE_CONTROL).unwrap_or_default().to_ascii_lowercase();
    let directive = |name: &str| directives.split(',').map(str::trim).find(|own| own.split('=').next() == Some(name));
    let max_age =
        directive("max-age").and_then(|own| own.split_once('=')).and_then(|(_, age)| age.trim_matches('"').parse::<u64>().ok());
    let fix = "send `Cache-Control: public, max-age=600` or so with the keys";
    match max_age {
        _ if directive("no-store").is_some() || directive("no-cache").is_some() => {
            findings.problem("key_caching", "the keys forbid caching: verifiers fetch them again and again, or guess", fix);
        }
        None => findings.problem("key_caching", "the keys do not say for how long they are good: every verifier guesses", fix),
        Some(0) => findings.problem("key_caching", "the keys are good for no time at all", fix),
        Some(age) if age > MAX_AGE_SECONDS => {
            let text = format!("the keys may be cached for {age} seconds: a withdrawn key is believed for as long");
            findings.problem("key_caching", text, fix);
        }
        Some(age) => findings.fine("key_caching", format!("the keys may be cached for {age} seconds")),
    }
}
