//! `POST {issuer}/v1/introspect` and `POST /oauth/introspect` (RFC 7662 section 2).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::inquiry::{authorization, read, respond, source_of};
use super::{ArrivedAt, NestedMount, resolve};
use crate::app::App;
use crate::http::body::Accepts;
use crate::http::errors::unknown_path;
use crate::oauth;

/// The introspection endpoint of the root mount.
pub(in crate::http) async fn at_root(State(app): State<Arc<App>>, request: Request) -> Response {
    introspect(&app, "/", request).await
}

/// The introspection endpoint of a mount below `/oauth2/`.
pub(in crate::http) async fn at_server(State(app): State<Arc<App>>, NestedMount(path): NestedMount, request: Request) -> Response {
    introspect(&app, &path, request).await
}

async fn introspect(app: &App, path: &str, request: Request) -> Response {
    let arrived_at = ArrivedAt::of(app, request.uri(), request.headers(), request.extensions());
    let Some(mount) = resolve(app, &arrived_at, path) else { return unknown_path() };
    let (parts, parameters) = match read(app, request, Accepts::Form).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let answered = oauth::introspect(app, &mount, source_of(&parts), authorization(&parts), &parameters).await;
    respond(app, &parts, answered)
}
