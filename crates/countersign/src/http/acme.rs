//! `/.well-known/acme-challenge/{token}` (RFC 8555 section 8.3).

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};

use crate::acme;
use crate::app::App;

/// Answers the certificate authority's questions, and nothing else.
pub fn challenge_router(app: &Arc<App>) -> Router {
    Router::new().route("/.well-known/acme-challenge/{token}", get(answer)).with_state(Arc::clone(app))
}

async fn answer(State(app): State<Arc<App>>, Path(token): Path<String>) -> Response {
    match acme::answer(&app, &token).await {
        Ok(Some(answer)) => ([(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))], answer).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::warn!(error = %crate::log::chain(&error), "a challenge of the certificate authority is not answered");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
