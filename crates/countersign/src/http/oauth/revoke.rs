//! `POST {issuer}/v1/revoke` and `POST /oauth/revoke` (RFC 7009 section 2).

use std::sync::Arc;

use axum::extract::{Request, State};
use http::StatusCode;

use super::inquiry::{authorization, read, respond};
use super::{ArrivedAt, NestedMount, resolve};
use crate::app::App;
use crate::audit::Actor;
use crate::http::answer::Answer;
use crate::http::arrival::Arrival;
use crate::http::body::Accepts;
use crate::http::errors::{json, unknown_path};
use crate::http::middleware::RequestId;
use crate::oauth;
use crate::source_address::SourceAddress;

/// The revocation endpoint of the root mount, which reads JSON too.
pub(in crate::http) async fn at_root(State(app): State<Arc<App>>, arrival: Arrival, request: Request) -> Answer {
    revoke(&app, "/", Accepts::FormOrJson, &arrival, request).await
}

/// The revocation endpoint of a mount below `/oauth2/`.
pub(in crate::http) async fn at_server(
    State(app): State<Arc<App>>,
    NestedMount(path): NestedMount,
    arrival: Arrival,
    request: Request,
) -> Answer {
    revoke(&app, &path, Accepts::Form, &arrival, request).await
}

async fn revoke(app: &App, path: &str, accepts: Accepts, arrival: &Arrival, request: Request) -> Answer {
    let arrived_at = ArrivedAt::of(app, request.uri(), request.headers(), arrival.bases.as_ref());
    let Some(mount) = resolve(app, &arrived_at, path) else { return unknown_path().into() };
    let source = arrival.source;
    let (parts, parameters) = match read(app, source, request, accepts).await {
        Ok(read) => read,
        Err(response) => return response.into(),
    };
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let by = |client| Actor::client(client, request_id, (source != SourceAddress::NONE).then(|| source.ip()));
    let answered = oauth::revoke(app, &mount, source, authorization(&parts), &parameters, by).await;
    respond(app, source, &parts, answered, |done| json(StatusCode::OK, &done))
}
