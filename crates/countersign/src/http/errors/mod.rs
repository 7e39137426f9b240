//! The encoders: one per wire dialect.

mod oauth;
mod problem;

use axum::body::Body;
use axum::response::Response;
use countersign_protocol::ErrorCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Extensions, StatusCode};
use serde::Serialize;

pub(super) use oauth::{OAuthRefusal, inquiry_refusal, token_refusal};
pub(super) use problem::{Problem, ProblemField, change_refusal, invalid_query, problem_saying, problem_with};

use crate::ids::CredentialId;
use crate::log::chain;
use crate::refusals::Detail;
use crate::store::StoreError;

/// The response header that carries the stable code.
pub(super) const ERROR_CODE_HEADER: &str = "countersign-error";
/// Seconds after which a failed request is worth another try.
const RETRY_AFTER_SECONDS: &str = "5";

/// What the request log says about a response, attached by whoever knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// The stable code of a refusal.
    pub code: Option<ErrorCode>,
    /// The client that was named.
    pub client_id: Option<String>,
    /// Of a refusal: the credential that authenticated the client.
    pub credential_id: Option<CredentialId>,
    /// What a refusal does not tell its caller, for the log.
    pub reason: Option<&'static str>,
    /// What a refusal does not tell its caller, for whoever asks by the request's id.
    pub detail: Option<Detail>,
    /// The cause of a fault of ours; never sent.
    pub cause: Option<String>,
    /// The body has the request's id already.
    pub tells_request_id: bool,
}

impl Outcome {
    /// Attaches the outcome to a response.
    pub(in crate::http) fn attach(self, extensions: &mut Extensions) {
        extensions.insert(self);
    }
}

/// Adds to what is known of a response.
pub(in crate::http) fn add_to_outcome(extensions: &mut Extensions, add: impl FnOnce(&mut Outcome)) {
    add(extensions.get_or_insert_default::<Outcome>());
}

/// Says what a refusal does not tell its caller.
pub(in crate::http) fn explained(mut response: Response, detail: impl Into<Detail>) -> Response {
    add_to_outcome(response.extensions_mut(), |outcome| outcome.detail = Some(detail.into()));
    response
}

/// A JSON response.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let bytes = match serde_json::to_vec(body) {
        Ok(bytes) => bytes,
        Err(error) => return fault(ErrorCode::Internal, error.to_string()),
    };
    json_text(status, bytes)
}

/// The same with JSON that is written.
pub(super) fn json_text(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A fault of ours, RFC 9457: constant, with the cause only in the log. Whoever
/// knows the request's id adds it by [`with_request_id`].
pub(super) fn fault(code: ErrorCode, cause: String) -> Response {
    let is_passing = matches!(
        code,
        ErrorCode::ChangeNotApplied
            | ErrorCode::ImportedHashesBusy
            | ErrorCode::LimitsUncounted
            | ErrorCode::ReporterKeysUnavailable
            | ErrorCode::Unavailable
    );
    let mut response = problem(if is_passing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR }, code);
    // A change that is made is not to be sent again.
    if is_passing && code != ErrorCode::ChangeNotApplied {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    }
    Outcome { code: Some(code), cause: Some(cause), ..Outcome::default() }.attach(response.extensions_mut());
    response
}

/// A failure of the store.
pub(super) fn store_fault(error: &StoreError) -> Response {
    match error {
        StoreError::NotApplied(_) => fault(ErrorCode::ChangeNotApplied, chain(error)),
        StoreError::Unavailable(_) => fault(ErrorCode::Unavailable, chain(error)),
        StoreError::Corrupt { .. }
        | StoreError::Internal(_)
        | StoreError::NewerSchema { .. }
        | StoreError::ReferenceGone
        | StoreError::Repeated
        | StoreError::UniqueViolation => fault(ErrorCode::Internal, chain(error)),
    }
}

/// The same fault with the id under which the log has its cause.
pub(super) fn with_request_id(fault: Response, code: ErrorCode, request_id: &str) -> Response {
    let body = problem_body(fault.status(), code, Some(request_id));
    fault.map(|_| body)
}

/// An RFC 9457 problem whose text is the code's meaning. Never cached: a path may
/// become one that exists.
pub(super) fn problem(status: StatusCode, code: ErrorCode) -> Response {
    let mut response = Response::new(problem_body(status, code, None));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(ERROR_CODE_HEADER, HeaderValue::from_static(code.as_str()));
    Outcome { code: Some(code), ..Outcome::default() }.attach(response.extensions_mut());
    response
}

fn problem_body(status: StatusCode, code: ErrorCode, request_id: Option<&str>) -> Body {
    let mut members = serde_json::json!({
        "type": "about:blank", "title": code.meaning(), "status": status.as_u16(), "code": code.as_str(),
    });
    if let (Some(request_id), Some(members)) = (request_id, members.as_object_mut()) {
        members.insert("request_id".to_owned(), request_id.into());
    }
    Body::from(members.to_string())
}

/// 404 for a path or an authorization server that does not exist.
pub(super) fn unknown_path() -> Response {
    problem(StatusCode::NOT_FOUND, ErrorCode::NoSuchPath)
}

/// The router's answer where no route matches.
pub(super) async fn no_such_path() -> Response {
    unknown_path()
}

/// The router's answer to a method that a path does not take; it adds `Allow`.
pub(super) async fn method_not_allowed() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed)
}
