//! Where in a feed a follower is.

use axum::response::Response;
use countersign_protocol::ErrorCode;
use countersign_protocol::status::Position;
use http::StatusCode;

use crate::http::errors::{problem, problem_saying};
use crate::http::manage::Refusal;

/// Reads a position from the parameter or header `name`.
pub(super) fn parse(name: &str, text: &str) -> Result<Position, Refusal> {
    text.parse().map_err(|error| {
        let detail = format!("`{name}` is `{}`: {error}", text.escape_debug());
        problem_saying(StatusCode::BAD_REQUEST, ErrorCode::QueryInvalid, detail).into()
    })
}

/// The feed does not continue from there.
pub(super) fn gone() -> Response {
    problem(StatusCode::CONFLICT, ErrorCode::StatusFeedGone)
}
