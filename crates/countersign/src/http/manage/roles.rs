//! `/manage/v1/roles`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, given, present};
use super::caller::Caller;
use super::idempotency::Attempt;
use super::keys::permissions;
use super::page::{List, PageQuery};
use super::path::Named;
use super::refusal::Refusal;
use super::reply::{Reply, deleted};
use super::time::rfc3339;
use super::version::IfMatch;
use crate::api_keys::roles::{self, NewRole, Role, RolePatch};
use crate::app::App;
use crate::management::Right;

/// Permissions under a name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Role)]
struct RoleView {
    /// Its name
    name: String,
    /// For people
    description: String,
    /// What whoever has it may do
    permissions: Vec<String>,
    /// RFC 3339
    created_at: String,
    /// RFC 3339
    updated_at: String,
}

impl RoleView {
    fn of(role: &Role) -> Self {
        Self {
            name: role.name.to_string(),
            description: role.description.clone(),
            permissions: role.permissions.iter().map(ToString::to_string).collect(),
            created_at: rfc3339(role.created_at),
            updated_at: rfc3339(role.updated_at),
        }
    }
}

/// What a new role is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRole)]
pub(super) struct NewRoleBody {
    /// 1 to 128 characters of `A-Z a-z 0-9 _ : . -`
    name: String,
    /// For people: at most 500 characters
    #[serde(default)]
    description: String,
    /// What whoever has it may do: `[A-Za-z0-9_:.\-*]{1,128}`
    permissions: Vec<String>,
}

/// What of a role is to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RolePatch)]
pub(super) struct RolePatchBody {
    /// For people: at most 500 characters
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    description: Option<String>,
    /// Replaces all of them; null clears
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>)]
    permissions: Option<Option<Vec<String>>>,
}

/// List roles
#[utoipa::path(get, path = "/manage/v1/roles", tag = "roles", params(PageQuery),
    responses((status = 200, description = "A piece of the list", body = List<RoleView>)),
    security(("management" = ["roles:read"])))]
pub(super) async fn list_roles(State(app): State<Arc<App>>, caller: Caller, query: PageQuery) -> Result<Response, Refusal> {
    caller.require(Right::RolesRead)?;
    let rows = roles::list(&app, query.page(&app, "roles")?).await?;
    let place = |row: &Role| (row.created_at, row.name.to_string());
    let list = query.list(&app, "roles", rows, place, RoleView::of);
    Ok(caller.named(Reply::plain(StatusCode::OK, &list).into_response()))
}

/// Create a role
#[utoipa::path(post, path = "/manage/v1/roles", tag = "roles", request_body = NewRoleBody,
    responses((status = 201, description = "The new role", body = RoleView)),
    security(("management" = ["roles:write"])))]
pub(super) async fn create_role(
    State(app): State<Arc<App>>,
    caller: Caller,
    attempt: Attempt,
    body: Body<NewRoleBody>,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::RolesWrite)?;
    let Body { value, bytes } = body;
    let work = async |by| {
        let new = NewRole { permissions: permissions(&value.permissions)?, name: value.name, description: value.description };
        let made = roles::create(&app, &by, new).await?;
        let location = format!("/manage/v1/roles/{}", made.name);
        Ok(Reply::created(&RoleView::of(&made), made.version, location))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

/// Show a role
#[utoipa::path(get, path = "/manage/v1/roles/{name}", tag = "roles",
    params(("name" = String, Path, description = "The role")),
    responses((status = 200, description = "The role", body = RoleView)),
    security(("management" = ["roles:read"])))]
pub(super) async fn show_role(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(name): Named<String>,
) -> Result<Response, Refusal> {
    caller.require(Right::RolesRead)?;
    let found = roles::find(&app, &name).await?;
    Ok(caller.named(Reply::shown(&RoleView::of(&found), found.version).into_response()))
}

/// Change a role, for all that have it
#[utoipa::path(patch, path = "/manage/v1/roles/{name}", tag = "roles", request_body = RolePatchBody,
    params(("name" = String, Path, description = "The role")),
    responses((status = 200, description = "The role", body = RoleView)),
    security(("management" = ["roles:write"])))]
pub(super) async fn update_role(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(name): Named<String>,
    IfMatch(version): IfMatch,
    body: Body<RolePatchBody>,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::RolesWrite)?;
    let RolePatchBody { description, permissions: names } = body.value;
    let patch = RolePatch { description, permissions: names.map(|names| permissions(&names.unwrap_or_default())).transpose()? };
    let changed = roles::update(&app, &caller.actor(None), &name, patch, version).await?;
    Ok(caller.named(Reply::shown(&RoleView::of(&changed), changed.version).into_response()))
}

/// Delete a role that nothing has
#[utoipa::path(delete, path = "/manage/v1/roles/{name}", tag = "roles",
    params(("name" = String, Path, description = "The role")),
    responses((status = 204, description = "It is deleted")),
    security(("management" = ["roles:write"])))]
pub(super) async fn delete_role(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(name): Named<String>,
    IfMatch(version): IfMatch,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::RolesWrite)?;
    roles::delete(&app, &caller.actor(None), &name, version).await?;
    Ok(caller.named(deleted()))
}
