//! `GET /errors/CS-nnnn`: what a code means.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use super::errors;
use crate::error_pages;

/// The page of one code, as plain text.
pub(super) async fn show(Path(name): Path<String>) -> Response {
    match error_pages::named(&name) {
        Some(code) => ([(CONTENT_TYPE, "text/plain; charset=utf-8")], error_pages::page(code)).into_response(),
        None => errors::no_such_path().await,
    }
}
