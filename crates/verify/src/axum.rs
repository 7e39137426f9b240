//! The axum extractors.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, FromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use crate::{CallerAddress, Denied, Require, Verified, Verifier};

/// The verified token of the request, or the API key; without one the handler does not run. `R`
/// says what the token must have, see [`scopes!`](crate::scopes).
///
/// The [`Verifier`] comes from the router's state, so that a router without one
/// does not compile:
///
/// ```compile_fail,E0277
/// use axum::{Router, routing::get};
/// use countersign_verify::axum::Token;
///
/// async fn list(token: Token) -> &'static str { "[]" }
/// let app: Router = Router::new().route("/users", get(list)).with_state(());
/// ```
pub struct Token<R = ()> {
    verified: Verified,
    required: PhantomData<fn() -> R>,
}

impl<R> Token<R> {
    /// The verified token.
    pub fn into_inner(self) -> Verified {
        self.verified
    }
}

impl<R> Deref for Token<R> {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.verified
    }
}

impl<S, R> FromRequestParts<S> for Token<R>
where
    S: Send + Sync,
    Verifier: FromRef<S>,
    R: Require,
{
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Denied> {
        let verifier = Verifier::from_ref(state);
        let address = parts.extensions.get().map(|CallerAddress(address)| *address);
        let verified = verifier.verify_from(&parts.headers, address).await?;
        verifier.require(&verified, R::requirements())?;
        Ok(Self { verified, required: PhantomData })
    }
}

impl Verifier {
    /// A route for the metadata of the API (see
    /// [`VerifierBuilder::resource_metadata`](crate::VerifierBuilder::resource_metadata)),
    /// to be merged into the router; without metadata there is none.
    pub fn metadata_routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        match (self.resource_metadata(), self.metadata_service::<Body>()) {
            // The path is a URL's, and no pattern.
            (Some(metadata), Some(service)) => Router::new().without_v07_checks().route_service(metadata.path(), service),
            (None, _) | (_, None) => Router::new(),
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        Self::into_response(self)
    }
}

impl<R> fmt::Debug for Token<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verified.fmt(f)
    }
}
