//! The encoders: one per wire dialect.

mod oauth;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use countersign_protocol::ErrorCode;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Extensions, StatusCode};
use serde::Serialize;

pub(super) use oauth::{OAuthRefusal, token_refusal};

/// The response header that carries the stable code.
pub(super) const ERROR_CODE_HEADER: &str = "countersign-error";
/// Seconds after which a failed request is worth another try.
const RETRY_AFTER_SECONDS: &str = "5";

/// What the request log says about a response, attached by whoever knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// The stable code of a refusal.
    pub code: Option<ErrorCode>,
    /// The authenticated client.
    pub client_id: Option<String>,
    /// The cause of a fault of ours; never sent.
    pub cause: Option<String>,
}

impl Outcome {
    /// Attaches the outcome to a response.
    pub(in crate::http) fn attach(self, extensions: &mut Extensions) {
        extensions.insert(self);
    }
}

/// A JSON response.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A fault of ours, RFC 9457: constant, with the cause only in the log. The
/// request id is in the response header.
pub(super) fn fault(code: ErrorCode, cause: String) -> Response {
    let status = if code == ErrorCode::Unavailable { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
    let mut response = problem(status, code);
    if code == ErrorCode::Unavailable {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    }
    Outcome { code: Some(code), client_id: None, cause: Some(cause) }.attach(response.extensions_mut());
    response
}

/// An RFC 9457 problem whose text is the code's meaning.
pub(super) fn problem(status: StatusCode, code: ErrorCode) -> Response {
    let body =
        serde_json::json!({ "type": "about:blank", "title": code.meaning(), "status": status.as_u16(), "code": code.as_str() });
    let mut response = json(status, &body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response.headers_mut().insert(ERROR_CODE_HEADER, HeaderValue::from_static(code.as_str()));
    Outcome { code: Some(code), ..Outcome::default() }.attach(response.extensions_mut());
    response
}

/// 404 for a path or an authorization server that does not exist.
pub(super) fn unknown_path() -> Response {
    problem(StatusCode::NOT_FOUND, ErrorCode::NoSuchPath)
}

/// The router's answer where no route matches.
pub(super) async fn no_such_path() -> Response {
    unknown_path()
}

/// 405 with an empty problem; the router adds `Allow`.
pub(super) async fn method_not_allowed() -> Response {
    StatusCode::METHOD_NOT_ALLOWED.into_response()
}
