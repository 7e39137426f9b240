//! The listener for scrapes: metrics and nothing else.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use countersign_protocol::ErrorCode;
use http::header::{CONTENT_TYPE, HeaderValue};

use super::errors;
use crate::app::App;
use crate::metrics::MEDIA_TYPE;

/// The routes of a listener for scrapes.
pub fn metrics_router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .fallback(errors::no_such_path)
        .method_not_allowed_fallback(errors::method_not_allowed)
        .with_state(Arc::clone(app))
}

async fn scrape(State(app): State<Arc<App>>) -> Response {
    match app.metrics.scrape(app.feed_silence_millis()) {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
            response
        }
        Err(error) => errors::fault(ErrorCode::Internal, error.to_string()),
    }
}
