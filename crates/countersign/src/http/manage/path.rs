//! What a path names. A segment that is not even UTF-8 names nothing.

use axum::extract::FromRequestParts;
use axum::extract::Path;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;
use crate::http::errors::unknown_path;

/// The variable segments of a path, percent-decoded.
pub(super) struct Named<T>(pub(super) T);

impl<S, T> FromRequestParts<S> for Named<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let found = Path::from_request_parts(parts, state).await;
        found.map(|Path(segments)| Self(segments)).map_err(|_| unknown_path().into())
    }
}
