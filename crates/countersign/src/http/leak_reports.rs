//! `POST /leak-reports`, as GitHub's secret scanning calls it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use countersign_protocol::{ErrorCode, Secret};
use http::header::{HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderName, StatusCode};
use serde::{Deserialize, Serialize};

use super::body::{ReadError, read_bounded_to};
use super::errors::{change_refusal, fault, json, problem, problem_saying, unknown_path};
use super::middleware::forbid_storing;
use crate::api_keys::FindKeyError;
use crate::app::App;
use crate::leak_reports::{self, JudgedLeak, LeakLabel, LeakReportError, LeakReports, ReportedLeak};
use crate::source_address::SourceAddress;

const KEY_ID: HeaderName = HeaderName::from_static("github-public-key-identifier");
const SIGNATURE: HeaderName = HeaderName::from_static("github-public-key-signature");
/// Largest report, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// Most findings of a report.
const MAX_FINDINGS: usize = 1_000;

/// A finding as it is told. What else is told of it does not count.
#[derive(Deserialize)]
struct Finding {
    token: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    source: String,
}

/// What is answered of a finding.
#[derive(Serialize)]
struct Judged {
    token_hash: String,
    token_type: String,
    label: &'static str,
}

impl From<Finding> for ReportedLeak {
    fn from(finding: Finding) -> Self {
        Self { token: Secret::new(finding.token), kind: finding.kind, url: finding.url, source: finding.source }
    }
}

impl From<JudgedLeak> for Judged {
    fn from(judged: JudgedLeak) -> Self {
        let label = match judged.label {
            LeakLabel::FalsePositive => "false_positive",
            LeakLabel::TruePositive => "true_positive",
        };
        Self { token_hash: judged.token_hash, token_type: judged.kind, label }
    }
}

pub(super) async fn report(State(app): State<Arc<App>>, request: Request) -> Response {
    let mut response = answer(&app, request).await.unwrap_or_else(|refusal| refusal);
    forbid_storing(response.headers_mut());
    response
}

async fn answer(app: &App, request: Request) -> Result<Response, Response> {
    let reports = app.leak_reports.as_ref().ok_or_else(unknown_path)?;
    let source = request.extensions().get().copied().unwrap_or(SourceAddress::NONE);
    if let Err(exhausted) = app.limits.take_source_request(source, app.clock.now()) {
        let mut refusal = problem(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests);
        refusal.headers_mut().insert(RETRY_AFTER, HeaderValue::from(exhausted.retry_after_seconds));
        return Err(refusal);
    }
    let (parts, body) = request.into_parts();
    let body = read_bounded_to(body, MAX_BYTES).await.map_err(|error| match error {
        ReadError::TooLarge => problem(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BodyTooLarge),
        ReadError::Broken | ReadError::ContentType | ReadError::Malformed(_) => malformed(),
    })?;
    // Before anything else is made of it.
    check_signature(reports, &parts, &body).await?;
    let findings: Vec<Finding> = serde_json::from_slice(&body).map_err(|_| malformed())?;
    if findings.len() > MAX_FINDINGS {
        let detail = format!("a report has at most {MAX_FINDINGS} findings");
        return Err(problem_saying(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BodyTooLarge, detail));
    }
    let mut judged = Vec::with_capacity(findings.len());
    for finding in findings {
        let leak = leak_reports::judge(app, reports.policy, finding.into()).await;
        judged.push(Judged::from(leak.map_err(|error| refusal(&error))?));
    }
    Ok(json(StatusCode::OK, &judged))
}

async fn check_signature(reports: &LeakReports, parts: &Parts, body: &[u8]) -> Result<(), Response> {
    let unsigned = || problem(StatusCode::FORBIDDEN, ErrorCode::LeakReportUnsigned);
    let key_id = only(parts, &KEY_ID).ok_or_else(unsigned)?;
    let signature = only(parts, &SIGNATURE).ok_or_else(unsigned)?;
    match reports.keys.verify(key_id, body, signature).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(unsigned()),
        Err(error) => Err(fault(ErrorCode::ReporterKeysUnavailable, error.to_string())),
    }
}

/// The value of a header that is there once.
fn only<'a>(parts: &'a Parts, name: &HeaderName) -> Option<&'a str> {
    let mut values = parts.headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn malformed() -> Response {
    problem(StatusCode::BAD_REQUEST, ErrorCode::BodyMalformed)
}

fn refusal(error: &LeakReportError) -> Response {
    match error {
        LeakReportError::Change(error) => change_refusal(error),
        LeakReportError::Find(FindKeyError::Busy(error)) => fault(ErrorCode::ImportedHashesBusy, error.to_string()),
        LeakReportError::Find(error) => fault(ErrorCode::Unavailable, crate::log::chain(error)),
    }
}
