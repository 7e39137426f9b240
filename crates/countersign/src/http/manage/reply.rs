//! What handlers answer.

use axum::response::Response;
use http::StatusCode;
use http::header::{CACHE_CONTROL, ETAG, HeaderValue, LOCATION};
use serde::Serialize;
use serde_json::Value;

use super::version::etag;
use crate::http::errors::{Outcome, fault, json};
use countersign_protocol::ErrorCode;

/// An answer that says what an object is now.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    pub(super) etag: Option<String>,
    pub(super) location: Option<String>,
    /// Members of the body that are shown only once.
    pub(super) secret: &'static [&'static str],
}

impl Reply {
    /// 200 with an object.
    pub(super) fn shown(object: &impl Serialize, version: i64) -> Self {
        Self { etag: Some(etag(version)), ..Self::plain(StatusCode::OK, object) }
    }

    /// 201 with a new object and its place.
    pub(super) fn created(object: &impl Serialize, version: i64, location: String) -> Self {
        Self { etag: Some(etag(version)), location: Some(location), ..Self::plain(StatusCode::CREATED, object) }
    }

    /// A body without a version.
    pub(super) fn plain(status: StatusCode, object: &impl Serialize) -> Self {
        let body = serde_json::to_value(object).unwrap_or_default();
        Self { status, body, etag: None, location: None, secret: &[] }
    }

    /// Says which members are secrets.
    pub(super) const fn with_secret(mut self, members: &'static [&'static str]) -> Self {
        self.secret = members;
        self
    }

    /// The body as it may be kept and shown again.
    pub(super) fn body_without_secret(&self) -> Value {
        let mut body = self.body.clone();
        if let Some(members) = body.as_object_mut() {
            members.retain(|name, _| !self.secret.contains(&name.as_str()));
        }
        body
    }

    /// The HTTP response. Nobody may keep it: it may hold a secret.
    pub(super) fn into_response(self) -> Response {
        let mut response = json(self.status, &self.body);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in [(ETAG, self.etag), (LOCATION, self.location)] {
            match value.as_deref().map(HeaderValue::from_str) {
                Some(Ok(value)) => drop(headers.insert(name, value)),
                Some(Err(error)) => return fault(ErrorCode::Internal, error.to_string()),
                None => {}
            }
        }
        Outcome::default().attach(response.extensions_mut());
        response
    }
}

/// 200 with what nobody may keep, written at once.
pub(super) fn uncached(object: &impl Serialize) -> Response {
    let mut response = json(StatusCode::OK, object);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 204.
pub(super) fn deleted() -> Response {
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
