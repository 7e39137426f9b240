//! Entity tags: the version of an object, and `If-Match` (RFC 9110 section 13.1.1).

use axum::extract::FromRequestParts;
use countersign_protocol::ErrorCode;
use http::StatusCode;
use http::header::IF_MATCH;
use http::request::Parts;

use super::refusal::Refusal;
use crate::http::errors::problem_saying;

/// The tag of a version.
pub(super) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The version that the caller expects; `None`: any.
pub(super) struct IfMatch(pub(super) Option<i64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let Some(value) = parts.headers.get(IF_MATCH) else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        let version = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|text| text.parse().ok());
        version.map(|version| Self(Some(version))).ok_or_else(|| {
            let detail = "`If-Match` takes one entity tag as this API gives it, or `*`".to_owned();
            problem_saying(StatusCode::BAD_REQUEST, ErrorCode::QueryInvalid, detail).into()
        })
    }
}
