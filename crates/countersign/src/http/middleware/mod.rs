//! What happens around every request, outermost first: collapse a doubled
//! leading slash, give the request an id and a source and log it, catch a panic, bound the time.

mod collapse_slashes;
mod request_log;

pub(super) use request_log::{Line, RequestId};

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use countersign_protocol::ErrorCode;
use http::HeaderMap;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, HeaderValue, PRAGMA};
use http::request::Parts;
use tower_http::catch_panic::CatchPanicLayer;

use super::errors::fault;
use crate::app::App;

/// What the middleware needs to know.
#[derive(Clone)]
pub(super) struct RequestPolicy {
    pub(super) app: Arc<App>,
    pub(super) timeout: Duration,
    /// Whether the log has said that there seems to be a proxy.
    pub(super) warned_of_proxy: Arc<AtomicBool>,
}

/// Wraps the routes. Routing happens inside, so the path may be rewritten here.
pub(super) fn apply(routes: Router, policy: RequestPolicy) -> Router {
    let inner = routes
        .layer(from_fn_with_state(policy.timeout, bound_time))
        .layer(CatchPanicLayer::custom(|_| panicked()))
        .layer(from_fn_with_state(policy, request_log::log_request));
    // Middleware of a router runs after routing; a router around it runs before.
    Router::new().fallback_service(inner).layer(from_fn(collapse_slashes::collapse_slashes))
}

async fn bound_time(State(timeout): State<Duration>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(LongestWait::within(timeout));
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => overdue(timeout),
    }
}

/// How long a request may wait for something to tell: shorter than what a proxy lets pass,
/// and than what its answer may take in all.
#[derive(Clone, Copy, Debug)]
pub(super) struct LongestWait(pub(super) Duration);

impl LongestWait {
    /// The same for every node whose requests take so long.
    pub(super) const MOST: Duration = Duration::from_secs(25);

    fn within(timeout: Duration) -> Self {
        Self(timeout.saturating_sub(Duration::from_secs(1)).min(Self::MOST))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for LongestWait {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self(Duration::ZERO)))
    }
}

/// The answer of a handler that takes too long.
pub(super) fn overdue(timeout: Duration) -> Response {
    fault(ErrorCode::Unavailable, format!("the request took longer than {timeout:?}"))
}

/// The answer of a handler that panics.
pub(super) fn panicked() -> Response {
    fault(ErrorCode::Internal, "a handler panicked".to_owned())
}

/// Nobody may keep a token or the refusal of one (RFC 6749 section 5.1).
pub(super) fn forbid_storing(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
}

/// Metadata and keys are public: any page may read them.
pub(super) fn allow_any_origin(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}
