//! What is done to an API key as a whole.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::body::RotationBody;
use super::view::{KeyView, RotatedKeyView};
use super::{reachable, shown};
use crate::api_keys;
use crate::app::App;
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::http::manage::body::Body;
use crate::http::manage::caller::Caller;
use crate::http::manage::idempotency::Attempt;
use crate::http::manage::path::Named;
use crate::http::manage::refusal::Refusal;
use crate::http::manage::reply::Reply;
use crate::http::manage::version::etag;
use crate::ids::ApiKeyId;
use crate::management::Right;

/// Make a new secret for an API key; the old one is accepted on for a while
#[utoipa::path(post, path = "/manage/v1/keys/{key_id}/rotate", tag = "keys", request_body = RotationBody,
    params(("key_id" = String, Path, description = "The key")),
    responses((status = 200, description = "The key; its new text is shown only here", body = RotatedKeyView)),
    security(("management" = ["keys:write"])))]
pub(in crate::http::manage) async fn rotate_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    attempt: Attempt,
    body: Body<RotationBody>,
) -> Result<Response, Refusal> {
    caller.require(Right::KeysWrite)?;
    let Body { value, bytes } = body;
    let work = async |by| {
        let found = reachable(&app, &caller, &id).await?;
        let rotated = api_keys::rotate(&app, &by, &found.id, value.overlap_seconds()).await?;
        let view = RotatedKeyView::of(&app, &rotated);
        let reply = Reply { etag: Some(etag(rotated.key.version)), ..Reply::plain(StatusCode::OK, &view) };
        Ok(reply.with_secret(&["key"]))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

/// Disable an API key: it is refused until it is enabled
#[utoipa::path(post, path = "/manage/v1/keys/{key_id}/disable", tag = "keys",
    params(("key_id" = String, Path, description = "The key")),
    responses((status = 200, description = "The key", body = KeyView)),
    security(("management" = ["keys:write"])))]
pub(in crate::http::manage) async fn disable_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    attempt: Attempt,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    let change = async |by: &Actor, id: &ApiKeyId| api_keys::disable(&app, by, id).await;
    change_state(&app, &caller, attempt, &id, change).await
}

/// Enable a disabled API key
#[utoipa::path(post, path = "/manage/v1/keys/{key_id}/enable", tag = "keys",
    params(("key_id" = String, Path, description = "The key")),
    responses((status = 200, description = "The key", body = KeyView)),
    security(("management" = ["keys:write"])))]
pub(in crate::http::manage) async fn enable_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    attempt: Attempt,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    let change = async |by: &Actor, id: &ApiKeyId| api_keys::enable(&app, by, id).await;
    change_state(&app, &caller, attempt, &id, change).await
}

/// Revoke an API key for good
#[utoipa::path(post, path = "/manage/v1/keys/{key_id}/revoke", tag = "keys",
    params(("key_id" = String, Path, description = "The key")),
    responses((status = 200, description = "The key", body = KeyView)),
    security(("management" = ["keys:write"])))]
pub(in crate::http::manage) async fn revoke_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    attempt: Attempt,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    let change = async |by: &Actor, id: &ApiKeyId| api_keys::revoke(&app, by, id).await;
    change_state(&app, &caller, attempt, &id, change).await
}

/// They differ in one call.
async fn change_state(
    app: &Arc<App>,
    caller: &Caller,
    attempt: Attempt,
    id: &str,
    change: impl AsyncFnOnce(&Actor, &ApiKeyId) -> Result<(), ChangeError>,
) -> Result<Response, Refusal> {
    caller.require(Right::KeysWrite)?;
    let work = async |by| {
        let found = reachable(app, caller, id).await?;
        change(&by, &found.id).await?;
        Ok(shown(app, &api_keys::find(app, &found.id).await?))
    };
    Ok(attempt.once(app, caller, &bytes::Bytes::new(), work).await)
}
