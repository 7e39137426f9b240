//! The JWK Set (RFC 7517 section 5).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};

use super::{ArrivedAt, NestedMount, resolve};
use crate::app::App;
use crate::http::errors::unknown_path;
use crate::http::middleware::allow_any_origin;
use crate::signing_keys::{JWKS_MAX_AGE_SECONDS, KeySetDocument};

/// The keys of the root mount.
pub(in crate::http) async fn at_root(State(app): State<Arc<App>>, base: ArrivedAt, headers: HeaderMap) -> Response {
    keys(&app, "/", &base, &headers)
}

/// The keys of a mount below `/oauth2/`.
pub(in crate::http) async fn at_server(
    State(app): State<Arc<App>>,
    NestedMount(path): NestedMount,
    base: ArrivedAt,
    headers: HeaderMap,
) -> Response {
    keys(&app, &path, &base, &headers)
}

fn keys(app: &App, path: &str, base: &ArrivedAt, headers: &HeaderMap) -> Response {
    match resolve(app, base, path) {
        Some(mount) => respond(mount.server.keys.document(), headers),
        None => unknown_path(),
    }
}

fn respond(document: &KeySetDocument, request: &HeaderMap) -> Response {
    let unchanged = request.get_all(IF_NONE_MATCH).iter().any(|tags| names_tag(tags.as_bytes(), &document.etag));
    let mut response = if unchanged {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(Body::from(document.bytes.clone()))
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={JWKS_MAX_AGE_SECONDS}")) {
        headers.insert(CACHE_CONTROL, value);
    }
    if let Ok(value) = HeaderValue::from_str(&document.etag) {
        headers.insert(ETAG, value);
    }
    allow_any_origin(headers);
    response
}

/// RFC 9110 section 13.1.2: `*`, or a list of tags compared weakly.
pub(in crate::http) fn names_tag(tags: &[u8], etag: &str) -> bool {
    let Ok(tags) = std::str::from_utf8(tags) else { return false };
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
