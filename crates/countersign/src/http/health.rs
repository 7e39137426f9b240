//! Health: `live` says the process runs, `ready` that it can do its work.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::errors::json;
use crate::app::App;

/// 200 as long as the process answers.
pub(super) async fn live() -> Response {
    json(StatusCode::OK, &serde_json::json!({ "status": "live" }))
}

/// 200 when the store answers, takes writes, and the process is not on its way out, else 503
/// with what is wrong.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.is_draining() {
        return not_ready("draining");
    }
    if app.is_behind() {
        return not_ready("change feed");
    }
    if app.is_sealed_out() {
        return not_ready("master key");
    }
    match app.store.check().await {
        Ok(()) => json(StatusCode::OK, &serde_json::json!({ "status": "ready" })),
        Err(error) => {
            tracing::warn!(error = %crate::log::chain(&error), "not ready: the store does not answer");
            not_ready("store")
        }
    }
}

fn not_ready(reason: &str) -> Response {
    json(StatusCode::SERVICE_UNAVAILABLE, &serde_json::json!({ "status": "not ready", "reason": reason }))
}
