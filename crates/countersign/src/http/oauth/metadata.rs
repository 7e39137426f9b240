//! Metadata (RFC 8414, OpenID Connect Discovery), in both URL forms.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use countersign_protocol::{AuthorizationServerMetadata, EndpointPaths};
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};

use super::{ArrivedAt, NestedMount, resolve};
use crate::app::App;
use crate::http::errors::{json, unknown_path};
use crate::http::middleware::allow_any_origin;

/// The metadata of the root mount.
pub(in crate::http) async fn at_root(State(app): State<Arc<App>>, base: ArrivedAt) -> Response {
    metadata(&app, "/", EndpointPaths::ROOT, &base)
}

/// The metadata of a mount below `/oauth2/`.
pub(in crate::http) async fn at_server(State(app): State<Arc<App>>, NestedMount(path): NestedMount, base: ArrivedAt) -> Response {
    metadata(&app, &path, EndpointPaths::NESTED, &base)
}

fn metadata(app: &App, path: &str, endpoints: EndpointPaths, base: &ArrivedAt) -> Response {
    let Some(mount) = resolve(app, base, path) else { return unknown_path() };
    let document = AuthorizationServerMetadata::new(&mount.issuer, endpoints, &mount.server.keys.algorithms())
        .with_status(&mount.status_endpoint, mount.server.has_status_lists);
    let mut response = json(StatusCode::OK, &document);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    allow_any_origin(response.headers_mut());
    response
}
