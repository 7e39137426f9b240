//! Reading bodies as strictly as Unkey does: unknown members are refused, with their place.

use countersign_protocol::ErrorCode;
use countersign_protocol::jose::json::strict_object;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::refusal::{UnkeyField, UnkeyRefusal};
use crate::http::body::{ReadError, read_bounded_to};
use crate::http::errors::problem;

/// Largest body, in bytes: a migration brings many keys.
const MAX_BYTES: usize = 4 * 1024 * 1024;

pub(super) async fn read<T: DeserializeOwned>(headers: &HeaderMap, body: axum::body::Body) -> Result<T, UnkeyRefusal> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(malformed("the body is JSON, and says so in Content-Type".to_owned()));
    }
    let bytes = read_bounded_to(body, MAX_BYTES).await.map_err(|error| match error {
        ReadError::TooLarge => problem(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BodyTooLarge).into(),
        ReadError::Broken | ReadError::ContentType | ReadError::Malformed(_) => malformed("the body did not arrive".to_owned()),
    })?;
    parse(&bytes)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, UnkeyRefusal> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let location = if path == "." { "body".to_owned() } else { format!("body.{path}") };
        wrong(location, without_place(&error.inner().to_string()))
    })?;
    json.end().map_err(|error| malformed(error.to_string()))?;
    // What the type keeps as any JSON, it keeps whole. A list of checks is no object.
    if bytes.trim_ascii_start().starts_with(b"{") {
        strict_object(bytes).map_err(|error| malformed(error.to_string()))?;
    }
    Ok(value)
}

fn malformed(message: String) -> UnkeyRefusal {
    wrong("body".to_owned(), message)
}

fn wrong(location: String, message: String) -> UnkeyRefusal {
    let detail = format!("{location}: {message}");
    UnkeyRefusal::invalid(vec![UnkeyField { location, message, fix: None }]).saying(detail)
}

/// Lines and columns of a body that a program made do not help.
fn without_place(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(text, _)| text).to_owned()
}

/// A member that may be absent (keeps) or null (clears).
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    serde::Deserialize::deserialize(deserializer).map(Some)
}
