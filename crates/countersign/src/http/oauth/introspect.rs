//! `POST {issuer}/v1/introspect` and `POST /oauth/introspect` (RFC 7662 section 2).

use std::sync::Arc;

use axum::extract::{Request, State};

use super::inquiry::{authorization, read, respond};
use super::{ArrivedAt, NestedMount, resolve};
use crate::app::App;
use crate::http::answer::Answer;
use crate::http::arrival::Arrival;
use crate::http::body::Accepts;
use crate::http::errors::unknown_path;
use crate::oauth;

/// The introspection endpoint of the root mount.
pub(in crate::http) async fn at_root(State(app): State<Arc<App>>, arrival: Arrival, request: Request) -> Answer {
    introspect(&app, "/", &arrival, request).await
}

/// The introspection endpoint of a mount below `/oauth2/`.
pub(in crate::http) async fn at_server(
    State(app): State<Arc<App>>,
    NestedMount(path): NestedMount,
    arrival: Arrival,
    request: Request,
) -> Answer {
    introspect(&app, &path, &arrival, request).await
}

/// The introspection endpoint of the mount at `path`.
pub(in crate::http) async fn introspect(app: &App, path: &str, arrival: &Arrival, request: Request) -> Answer {
    let arrived_at = ArrivedAt::of(app, request.uri(), request.headers(), arrival.bases.as_ref());
    let Some(mount) = resolve(app, &arrived_at, path) else { return unknown_path().into() };
    let source = arrival.source;
    let (parts, parameters) = match read(app, source, request, Accepts::Form).await {
        Ok(read) => read,
        Err(response) => return response.into(),
    };
    let answered = oauth::introspect(app, &mount, source, authorization(&parts), &parameters).await;
    respond(app, source, &parts, answered)
}
