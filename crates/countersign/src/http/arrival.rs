//! How a request came in.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::serve::ListenerBases;
use crate::source_address::SourceAddress;

/// What is known of a request besides what it says.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    /// Where it came from.
    pub(super) source: SourceAddress,
    /// The base URLs of its listener.
    pub(super) bases: Option<ListenerBases>,
}

impl<S: Send + Sync> FromRequestParts<S> for Arrival {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let source = parts.extensions.get().copied().unwrap_or(SourceAddress::NONE);
        Ok(Self { source, bases: parts.extensions.get().cloned() })
    }
}
