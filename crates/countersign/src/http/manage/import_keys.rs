//! `/manage/v1/import-keys`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use countersign_protocol::Secret;
use countersign_protocol::jose::base64url;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::caller::Caller;
use super::idempotency::Attempt;
use super::page::List;
use super::path::Named;
use super::refusal::Refusal;
use super::reply::{Reply, deleted};
use super::time::rfc3339;
use super::version::IfMatch;
use crate::api_keys::{self, ImportKey};
use crate::app::App;
use crate::change::{ChangeError, InvalidField};
use crate::ids::ImportKeyId;
use crate::management::Right;

/// A key under which another system made HMACs of its API keys. It is never shown again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportKey)]
struct ImportKeyView {
    /// Its id
    id: String,
    /// For people
    name: String,
    /// RFC 3339
    created_at: String,
}

impl ImportKeyView {
    fn of(key: &ImportKey) -> Self {
        Self { id: key.id.to_string(), name: key.name.clone(), created_at: rfc3339(key.created_at) }
    }
}

/// What a new import key is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewImportKey {
    /// For people: 1 to 200 characters
    name: String,
    /// The key, 16 to 1024 bytes, base64url without padding
    key: String,
}

/// List the keys of HMACs that were imported
#[utoipa::path(get, path = "/manage/v1/import-keys", tag = "import-keys",
    responses((status = 200, description = "All of them, oldest first", body = List<ImportKeyView>)),
    security(("management" = ["keys:read"])))]
pub(super) async fn list_import_keys(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::KeysRead)?;
    let keys = api_keys::list_import_keys(&app).await?;
    let list = List { items: keys.iter().map(ImportKeyView::of).collect(), next_cursor: None };
    Ok(caller.named(Reply::plain(StatusCode::OK, &list).into_response()))
}

/// Register the key of HMACs that are to be imported
#[utoipa::path(post, path = "/manage/v1/import-keys", tag = "import-keys", request_body = NewImportKey,
    responses((status = 201, description = "The import key, without the key itself", body = ImportKeyView)),
    security(("management" = ["keys:write"])))]
pub(super) async fn create_import_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    attempt: Attempt,
    body: Body<NewImportKey>,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::KeysWrite)?;
    let Body { value: NewImportKey { name, key }, bytes } = body;
    let key = base64url::decode(&key).map(Secret::new);
    let key = key.ok_or_else(|| InvalidField::new("key", "no base64url", "16 to 1024 bytes, base64url without padding"))?;
    let work = async |by| {
        let made = api_keys::create_import_key(&app, &by, name, key).await?;
        let place = format!("/manage/v1/import-keys/{}", made.id);
        Ok::<_, ChangeError>(Reply::created(&ImportKeyView::of(&made), ImportKey::VERSION, place))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

/// Show an import key
#[utoipa::path(get, path = "/manage/v1/import-keys/{id}", tag = "import-keys",
    params(("id" = String, Path, description = "The import key")),
    responses((status = 200, description = "The import key, without the key itself", body = ImportKeyView)),
    security(("management" = ["keys:read"])))]
pub(super) async fn show_import_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::KeysRead)?;
    let key = api_keys::list_import_keys(&app).await?.into_iter().find(|key| key.id.as_str() == id);
    let key = key.ok_or(ChangeError::NotFound { kind: "import key", id })?;
    Ok(caller.named(Reply::shown(&ImportKeyView::of(&key), ImportKey::VERSION).into_response()))
}

/// Delete an import key under which no API key waits to be used for the first time
#[utoipa::path(delete, path = "/manage/v1/import-keys/{id}", tag = "import-keys",
    params(("id" = String, Path, description = "The import key")),
    responses((status = 204, description = "It is gone")),
    security(("management" = ["keys:write"])))]
pub(super) async fn delete_import_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    IfMatch(version): IfMatch,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::KeysWrite)?;
    api_keys::delete_import_key(&app, &caller.actor(None), &ImportKeyId::from_stored(&id), version).await?;
    Ok(caller.named(deleted()))
}
