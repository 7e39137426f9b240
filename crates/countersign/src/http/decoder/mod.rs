//! The decoder page: what a token says is read in the browser; why it is refused is asked
//! of this server. Nothing of it is stored or logged, and the page loads nothing else.

mod explain;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::{get, post};
use http::HeaderMap;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};

use crate::app::App;

/// Scripts and styles from here alone and none inline; no other origin is asked; no text
/// becomes HTML, not even by a mistake in the script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The routes of the page.
pub(super) fn routes() -> Router<Arc<App>> {
    let file = |media_type: &'static str, text: &'static str| get(move || async move { respond(media_type, text) });
    Router::new()
        .route("/decoder", file("text/html; charset=utf-8", include_str!("page/page.html")))
        .route("/decoder/page.css", file("text/css; charset=utf-8", include_str!("page/page.css")))
        .route("/decoder/page.js", file("text/javascript; charset=utf-8", include_str!("page/page.js")))
        .route("/decoder/icon.svg", file("image/svg+xml", include_str!("page/icon.svg")))
        .route("/decoder/explain", post(explain::explain))
}

fn respond(media_type: &'static str, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    close(headers);
    response
}

/// What the browser may do with an answer: as little as there is.
fn close(headers: &mut HeaderMap) {
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
