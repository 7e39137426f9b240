//! Reading request bodies: bounded, and only as what they say they are.

use axum::body::Body;
use bytes::Bytes;
use countersign_protocol::{BodyError, Parameters};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;

/// Largest body, in bytes: a token request needs a few hundred.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// Neither a form nor, where that is allowed, JSON.
    ContentType,
    /// Not what its Content-Type says.
    Malformed(BodyError),
    /// Larger than [`MAX_BYTES`].
    TooLarge,
    /// The connection broke.
    Broken,
}

/// Which media types an endpoint reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepts {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// That, and `application/json`.
    FormOrJson,
}

/// Reads the parameters of an OAuth request.
pub(super) async fn read_parameters(headers: &HeaderMap, body: Body, accepts: Accepts) -> Result<Parameters, ReadError> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let is_form = media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let is_json = accepts == Accepts::FormOrJson && media_type.eq_ignore_ascii_case("application/json");
    if !is_form && !is_json {
        return Err(ReadError::ContentType);
    }
    let bytes = read_bounded(body).await?;
    let parameters = if is_form { Parameters::from_form(&bytes) } else { Parameters::from_json(&bytes) };
    parameters.map_err(ReadError::Malformed)
}

/// Reads a body of at most 64 KiB.
pub(super) async fn read_bounded(body: Body) -> Result<Bytes, ReadError> {
    read_bounded_to(body, MAX_BYTES).await
}

/// A body that announces more than may be read is not waited for.
pub(super) async fn read_bounded_to(body: Body, max_bytes: usize) -> Result<Bytes, ReadError> {
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(ReadError::TooLarge);
    }
    match Limited::new(body, max_bytes).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ReadError::TooLarge),
        Err(_) => Err(ReadError::Broken),
    }
}
