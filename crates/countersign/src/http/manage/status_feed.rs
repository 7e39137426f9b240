//! `/manage/v1/status-feed`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::refusal::Refusal;
use super::reply::Reply;
use super::time::rfc3339;
use crate::app::App;
use crate::management::Right;
use crate::status_feed::{self, NodeFollowers};

/// Who follows what is revoked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatusFeed)]
struct StatusFeedView {
    /// The number of the last change of the database
    change: i64,
    /// The nodes that verifiers follow
    nodes: Vec<NodeFollowersView>,
}

/// The verifiers that follow one node.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NodeFollowers)]
struct NodeFollowersView {
    /// One run of one node
    node_id: String,
    /// Up to which change of the database it has told its followers
    change: i64,
    /// How many followed when it told of something last
    followers: i64,
    /// How many of them have said that they apply it
    applied: i64,
    /// How long the slowest of them took, in milliseconds
    slowest_ms: i64,
    /// RFC 3339; when the node said so
    said_at: String,
}

impl NodeFollowersView {
    fn of(node: NodeFollowers) -> Self {
        Self {
            node_id: node.node_id,
            change: node.change,
            followers: node.followers,
            applied: node.applied,
            slowest_ms: node.slowest_millis,
            said_at: rfc3339(node.written_at),
        }
    }
}

/// Show which verifiers follow what is revoked, and what they have applied
#[utoipa::path(get, path = "/manage/v1/status-feed", tag = "revocations",
    responses((status = 200, description = "The followers of every node", body = StatusFeedView)),
    security(("management" = ["status:read"])))]
pub(super) async fn show_status_feed(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::StatusRead)?;
    let (change, nodes) = status_feed::followers(&app).await?;
    let view = StatusFeedView { change, nodes: nodes.into_iter().map(NodeFollowersView::of).collect() };
    Ok(caller.named(Reply::plain(StatusCode::OK, &view).into_response()))
}
