//! Reading JSON bodies strictly: unknown members, members that are there twice and
//! values of the wrong type are refused with a pointer to them.

use axum::extract::{FromRequest, Request};
use axum::response::Response;
use bytes::Bytes;
use countersign_protocol::ErrorCode;
use countersign_protocol::jose::json::strict_object;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::refusal::Refusal;
use crate::http::body::{MAX_BYTES, ReadError, read_bounded_to};
use crate::http::errors::{ProblemField, problem, problem_saying, problem_with};

/// Largest body of a batch, in bytes.
const MAX_LARGE_BYTES: usize = 4 * 1024 * 1024;

/// A request body, and its bytes for the idempotency key.
pub(super) struct Body<T> {
    /// What it says.
    pub(super) value: T,
    /// As it was sent.
    pub(super) bytes: Bytes,
}

impl<S, T> FromRequest<S> for Body<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        read(&parts.headers, body).await
    }
}

/// A request body of up to 4 MiB.
pub(super) struct LargeBody<T>(pub(super) Body<T>);

impl<S, T> FromRequest<S> for LargeBody<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        read_up_to(MAX_LARGE_BYTES, &parts.headers, body).await.map(Self)
    }
}

/// Reads a body that says that it is JSON.
async fn read<T: DeserializeOwned>(headers: &HeaderMap, body: axum::body::Body) -> Result<Body<T>, Refusal> {
    read_up_to(MAX_BYTES, headers, body).await
}

/// The same of a type that knows every member of every object in it, and so refuses
/// members that are there twice by itself.
pub(super) async fn read_closed<T: DeserializeOwned>(headers: &HeaderMap, body: axum::body::Body) -> Result<T, Refusal> {
    parse_typed(&read_json(MAX_BYTES, headers, body).await?)
}

async fn read_up_to<T: DeserializeOwned>(
    max_bytes: usize,
    headers: &HeaderMap,
    body: axum::body::Body,
) -> Result<Body<T>, Refusal> {
    let bytes = read_json(max_bytes, headers, body).await?;
    let value = parse(&bytes)?;
    Ok(Body { value, bytes })
}

async fn read_json(max_bytes: usize, headers: &HeaderMap, body: axum::body::Body) -> Result<Bytes, Refusal> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::ContentTypeUnsupported).into());
    }
    let read = read_bounded_to(body, max_bytes).await;
    Ok(read.map_err(|error| match error {
        ReadError::TooLarge => problem(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BodyTooLarge),
        ReadError::Broken | ReadError::ContentType | ReadError::Malformed(_) => {
            problem(StatusCode::BAD_REQUEST, ErrorCode::BodyMalformed)
        }
    })?)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let value = parse_typed(bytes)?;
    // What the type keeps as any JSON, it keeps whole.
    strict_object(bytes).map_err(|error| problem_saying(StatusCode::BAD_REQUEST, ErrorCode::FieldInvalid, error.to_string()))?;
    Ok(value)
}

/// What is wrong, and where, is asked only of what is not as it should be.
fn parse_typed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|_| refused::<T>(bytes).into())
}

fn refused<T: DeserializeOwned>(bytes: &[u8]) -> Response {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Err(error) if error.inner().is_data() => {
            let field = ProblemField { pointer: pointer(error.path()), detail: without_place(&error.inner().to_string()) };
            problem_with(StatusCode::BAD_REQUEST, ErrorCode::FieldInvalid, vec![field])
        }
        // Or more follows.
        Err(_) | Ok(_) => problem(StatusCode::BAD_REQUEST, ErrorCode::BodyMalformed),
    }
}

/// RFC 6901.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect()
}

/// The pointer says where; lines and columns of a body that a program made do not help.
fn without_place(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(text, _)| text).to_owned()
}

/// A member that may be absent (keeps) but not null.
pub(super) fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A member that may be absent (keeps) or null (clears).
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    serde::Deserialize::deserialize(deserializer).map(Some)
}
