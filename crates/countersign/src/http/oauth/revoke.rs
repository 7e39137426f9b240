//! `POST {issuer}/v1/revoke` and `POST /oauth/revoke` (RFC 7009 section 2).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::inquiry::{authorization, read, respond, source_of};
use super::{ArrivedAt, NestedMount, resolve};
use crate::app::App;
use crate::audit::Actor;
use crate::http::body::Accepts;
use crate::http::errors::unknown_path;
use crate::http::middleware::RequestId;
use crate::oauth;
use crate::source_address::SourceAddress;

/// The revocation endpoint of the root mount, which reads JSON too.
pub(in crate::http) async fn at_root(State(app): State<Arc<App>>, request: Request) -> Response {
    revoke(&app, "/", Accepts::FormOrJson, request).await
}

/// The revocation endpoint of a mount below `/oauth2/`.
pub(in crate::http) async fn at_server(State(app): State<Arc<App>>, NestedMount(path): NestedMount, request: Request) -> Response {
    revoke(&app, &path, Accepts::Form, request).await
}

async fn revoke(app: &App, path: &str, accepts: Accepts, request: Request) -> Response {
    let arrived_at = ArrivedAt::of(app, request.uri(), request.headers(), request.extensions());
    let Some(mount) = resolve(app, &arrived_at, path) else { return unknown_path() };
    let (parts, parameters) = match read(app, request, accepts).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let source = parts.extensions.get::<SourceAddress>().filter(|source| **source != SourceAddress::NONE).map(|source| source.ip());
    let by = |client| Actor::client(client, request_id, source);
    let answered = oauth::revoke(app, &mount, source_of(&parts), authorization(&parts), &parameters, by).await;
    respond(app, &parts, answered)
}
