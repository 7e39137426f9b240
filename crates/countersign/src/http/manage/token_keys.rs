//! `/manage/v1/token-keys`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::caller::Caller;
use super::idempotency::Attempt;
use super::page::List;
use super::refusal::Refusal;
use super::reply::Reply;
use super::time::rfc3339;
use crate::app::App;
use crate::change::ChangeError;
use crate::ids::TokenKeyId;
use crate::management::Right;
use crate::token_keys::{self, StoredTokenKey, TokenKeyState};

/// A key that seals opaque tokens. It never leaves the instance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TokenKey)]
struct TokenKeyView {
    /// Its id; what follows `tk_` stands in the tokens that it has sealed
    id: String,
    /// `waiting`, `active` or `retiring`
    state: &'static str,
    /// RFC 3339; when it was made
    created_at: String,
    /// RFC 3339; from when it seals new tokens
    seals_from: String,
}

impl TokenKeyView {
    fn of((key, state): &(StoredTokenKey, TokenKeyState)) -> Self {
        Self {
            id: key.id.to_string(),
            state: state.as_str(),
            created_at: rfc3339(key.created_at),
            seals_from: rfc3339(key.seals_from),
        }
    }
}

/// Which key is to be rotated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenKeyRotation {
    /// The key that the caller expects to be active, or that is compromised; another one is a conflict
    #[serde(default)]
    expected_active: Option<String>,
    /// Destroy the key at once, because it is compromised: every token that it has sealed is refused
    #[serde(default)]
    emergency: bool,
}

/// What came of a rotation.
#[derive(Debug, Serialize, ToSchema)]
struct TokenKeyRotationResult {
    /// What seals now
    active: String,
    /// What seals next, once every node knows it
    successor: Option<String>,
    /// What is destroyed
    withdrawn: Vec<String>,
}

/// List the keys that seal opaque tokens
#[utoipa::path(get, path = "/manage/v1/token-keys", tag = "token-keys",
    responses((status = 200, description = "All that are not destroyed, oldest first", body = List<TokenKeyView>)),
    security(("management" = ["signing_keys:read"])))]
pub(super) async fn list_token_keys(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::SigningKeysRead)?;
    let keys = token_keys::list(&app).await?;
    let list = List { items: keys.iter().map(TokenKeyView::of).collect(), next_cursor: None };
    Ok(caller.named(Reply::plain(StatusCode::OK, &list).into_response()))
}

/// Make the next key before its day, or destroy a compromised one
#[utoipa::path(post, path = "/manage/v1/token-keys/rotate", tag = "token-keys", request_body = TokenKeyRotation,
    responses((status = 200, description = "What seals now, and what seals next", body = TokenKeyRotationResult)),
    security(("management" = ["signing_keys:write"])))]
pub(super) async fn rotate_token_keys(
    State(app): State<Arc<App>>,
    caller: Caller,
    attempt: Attempt,
    body: Body<TokenKeyRotation>,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::SigningKeysWrite)?;
    let Body { value, bytes } = body;
    let work = async |by| {
        let key = meant(&app, value.expected_active.as_deref()).await?;
        let done = if value.emergency {
            token_keys::replace_compromised(&app, &by, &key).await?
        } else {
            token_keys::rotate(&app, &by, &key).await?
        };
        let result = TokenKeyRotationResult {
            active: done.active.to_string(),
            successor: done.successor.map(|id| id.to_string()),
            withdrawn: done.withdrawn.iter().map(ToString::to_string).collect(),
        };
        Ok(Reply::plain(StatusCode::OK, &result))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

/// The key that is named, or else the active one.
async fn meant(app: &App, named: Option<&str>) -> Result<TokenKeyId, ChangeError> {
    if let Some(id) = named {
        return Ok(TokenKeyId::from_stored(id));
    }
    let active = token_keys::list(app).await?.into_iter().find(|(_, state)| *state == TokenKeyState::Active);
    active.map(|(key, _)| key.id).ok_or_else(|| ChangeError::NotFound { kind: "token key", id: "active".to_owned() })
}
