//! The status of tokens, below `{base}/oauth2/{server}/v1/status`: lists for everybody, the
//! feed for verifiers that authenticate.

mod feed;
mod lists;
mod position;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::response::Response;
use axum::routing::{get, post};
use http::request::Parts;

use super::errors::unknown_path;
use super::oauth::{ArrivedAt, resolve};
use crate::app::App;
use crate::catalog::ResolvedMount;

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/oauth2/{server}/v1/status", get(lists::all))
        .route("/oauth2/{server}/v1/status/keys", get(feed::keys))
        .route("/oauth2/{server}/v1/status/snapshot", get(feed::snapshot))
        .route("/oauth2/{server}/v1/status/stream", get(stream::stream))
        .route("/oauth2/{server}/v1/status/deltas", get(feed::deltas))
        .route("/oauth2/{server}/v1/status/applied", post(feed::applied))
        .route("/oauth2/{server}/v1/status/{list}", get(lists::one))
}

/// The mount whose tokens it is about.
struct StatusMount(Arc<ResolvedMount>);

impl FromRequestParts<Arc<App>> for StatusMount {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let arrived_at = match ArrivedAt::from_request_parts(parts, app).await {
            Ok(arrived_at) => arrived_at,
            Err(never) => match never {},
        };
        let names = Path::<Vec<(String, String)>>::from_request_parts(parts, app).await.map_err(|_| unknown_path())?;
        let server = names.0.into_iter().find(|(name, _)| name == "server").map(|(_, server)| server).unwrap_or_default();
        resolve(app, &arrived_at, &format!("/oauth2/{server}")).map(Self).ok_or_else(unknown_path)
    }
}
