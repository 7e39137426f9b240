//! `/manage/v1/keys`.

pub(super) mod credits;
pub(super) mod list;
pub(super) mod scanner_rules;
pub(super) mod state;
pub(super) mod verify;

mod body;
mod question;
mod verdict;
mod view;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use self::body::{KeyPatchBody, NewKeyBody};
pub(super) use self::body::{networks, permissions};
use self::view::{CreatedKeyView, KeyView};
use super::body::Body;
use super::caller::Caller;
use super::idempotency::Attempt;
use super::path::Named;
use super::refusal::Refusal;
use super::reply::{Reply, deleted};
use super::version::IfMatch;
use crate::api_keys::{self, ApiKey};
use crate::app::App;
use crate::change::ChangeError;
use crate::ids::ApiKeyId;
use crate::management::Right;

/// Create an API key
#[utoipa::path(post, path = "/manage/v1/keys", tag = "keys", request_body = NewKeyBody,
    responses((status = 201, description = "The new key; the key itself is shown only here", body = CreatedKeyView)),
    security(("management" = ["keys:write"])))]
pub(super) async fn create_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    attempt: Attempt,
    body: Body<NewKeyBody>,
) -> Result<Response, Refusal> {
    caller.require(Right::KeysWrite)?;
    let Body { value, bytes } = body;
    let work = async |by| {
        let client = super::clients::reachable(&app, &caller, value.client_id()).await?;
        let made = api_keys::create(&app, &by, value.checked(client.id)?).await?;
        let location = format!("/manage/v1/keys/{}", made.key.id);
        let view = CreatedKeyView::of(&app, &made.key, &made.text);
        Ok(Reply::created(&view, made.key.version, location).with_secret(&["key"]))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

/// Show an API key
#[utoipa::path(get, path = "/manage/v1/keys/{key_id}", tag = "keys",
    params(("key_id" = String, Path, description = "The key")),
    responses((status = 200, description = "The key", body = KeyView)),
    security(("management" = ["keys:read"])))]
pub(super) async fn show_key(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>) -> Result<Response, Refusal> {
    caller.require(Right::KeysRead)?;
    let found = reachable(&app, &caller, &id).await?;
    Ok(caller.named(shown(&app, &found).into_response()))
}

/// Change an API key
#[utoipa::path(patch, path = "/manage/v1/keys/{key_id}", tag = "keys", request_body = KeyPatchBody,
    params(("key_id" = String, Path, description = "The key")),
    responses((status = 200, description = "The key", body = KeyView)),
    security(("management" = ["keys:write"])))]
pub(super) async fn update_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    IfMatch(version): IfMatch,
    body: Body<KeyPatchBody>,
) -> Result<Response, Refusal> {
    caller.require(Right::KeysWrite)?;
    let found = reachable(&app, &caller, &id).await?;
    let changed = api_keys::update(&app, &caller.actor(None), &found.id, body.value.checked()?, version).await?;
    Ok(caller.named(shown(&app, &changed).into_response()))
}

/// Delete an API key with all that is known of it
#[utoipa::path(delete, path = "/manage/v1/keys/{key_id}", tag = "keys",
    params(("key_id" = String, Path, description = "The key")),
    responses((status = 204, description = "It is deleted")),
    security(("management" = ["keys:write"])))]
pub(super) async fn delete_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    IfMatch(version): IfMatch,
) -> Result<Response, Refusal> {
    caller.require(Right::KeysWrite)?;
    let found = reachable(&app, &caller, &id).await?;
    api_keys::delete(&app, &caller.actor(None), &found.id, version).await?;
    Ok(caller.named(deleted()))
}

fn shown(app: &App, key: &ApiKey) -> Reply {
    Reply::shown(&KeyView::of(app, key), key.version)
}

/// A key that the caller may know of: one of another organization's client does not exist
/// for it. Read from the database, so that an entity tag is never an old one.
pub(in crate::http) async fn reachable(app: &App, caller: &Caller, id: &str) -> Result<ApiKey, ChangeError> {
    let not_found = || ChangeError::NotFound { kind: "API key", id: id.to_owned() };
    let found = api_keys::find(app, &ApiKeyId::from_stored(id)).await?;
    // Whoever may know of its client may know of it.
    match caller.find_client(app, &found.client_id).await {
        Ok(_) => Ok(found),
        Err(ChangeError::NotFound { .. }) => Err(not_found()),
        Err(error) => Err(error),
    }
}
