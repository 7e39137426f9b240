//! `/manage/v1/organizations`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, given};
use super::caller::Caller;
use super::idempotency::Attempt;
use super::page::{List, PageQuery};
use super::path::Named;
use super::refusal::Refusal;
use super::reply::{Reply, deleted};
use super::time::rfc3339;
use super::version::IfMatch;
use crate::app::App;
use crate::change::ChangeError;
use crate::ids::OrganizationId;
use crate::management::Right;
use crate::organizations::{self, Organization};

/// A partner company.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Organization)]
struct OrganizationView {
    /// Its id
    id: String,
    /// For people
    name: String,
    /// RFC 3339
    created_at: String,
    /// RFC 3339
    updated_at: String,
}

impl OrganizationView {
    fn of(organization: &Organization) -> Self {
        Self {
            id: organization.id.to_string(),
            name: organization.name.clone(),
            created_at: rfc3339(organization.created_at),
            updated_at: rfc3339(organization.updated_at),
        }
    }
}

/// What a new organization is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrganization {
    /// For people: 1 to 200 characters
    name: String,
}

/// What of an organization is to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrganizationPatch {
    /// For people: 1 to 200 characters
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    name: Option<String>,
}

/// List organizations
#[utoipa::path(get, path = "/manage/v1/organizations", tag = "organizations", params(PageQuery),
    responses((status = 200, description = "A piece of the list", body = List<OrganizationView>)),
    security(("management" = ["organizations:read"])))]
pub(super) async fn list_organizations(State(app): State<Arc<App>>, caller: Caller, query: PageQuery) -> Result<Response, Refusal> {
    caller.require(Right::OrganizationsRead)?;
    if let Some(own) = caller.organization() {
        let own = organizations::find(&app, own).await?;
        let list = List { items: vec![OrganizationView::of(&own)], next_cursor: None };
        return Ok(caller.named(Reply::plain(http::StatusCode::OK, &list).into_response()));
    }
    let page = query.page(&app, "organizations")?;
    let rows = organizations::list(&app, page).await?;
    let place = |row: &Organization| (row.created_at, row.id.to_string());
    let list = query.list(&app, "organizations", rows, place, OrganizationView::of);
    Ok(caller.named(Reply::plain(http::StatusCode::OK, &list).into_response()))
}

/// Create an organization
#[utoipa::path(post, path = "/manage/v1/organizations", tag = "organizations", request_body = NewOrganization,
    responses((status = 201, description = "The new organization", body = OrganizationView)),
    security(("management" = ["organizations:write"])))]
pub(super) async fn create_organization(
    State(app): State<Arc<App>>,
    caller: Caller,
    attempt: Attempt,
    body: Body<NewOrganization>,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::OrganizationsWrite)?;
    let work = async |by| {
        let made = organizations::create(&app, &by, &body.value.name).await?;
        let location = format!("/manage/v1/organizations/{}", made.id);
        Ok(Reply::created(&OrganizationView::of(&made), made.version, location))
    };
    Ok(attempt.once(&app, &caller, &body.bytes, work).await)
}

/// Show an organization
#[utoipa::path(get, path = "/manage/v1/organizations/{id}", tag = "organizations",
    params(("id" = String, Path, description = "The organization")),
    responses((status = 200, description = "The organization", body = OrganizationView)),
    security(("management" = ["organizations:read"])))]
pub(super) async fn show_organization(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    caller.require(Right::OrganizationsRead)?;
    let id = reachable(&caller, &id)?;
    let found = organizations::find(&app, &id).await?;
    Ok(caller.named(Reply::shown(&OrganizationView::of(&found), found.version).into_response()))
}

/// Change an organization
#[utoipa::path(patch, path = "/manage/v1/organizations/{id}", tag = "organizations", request_body = OrganizationPatch,
    params(("id" = String, Path, description = "The organization")),
    responses((status = 200, description = "The organization", body = OrganizationView)),
    security(("management" = ["organizations:write"])))]
pub(super) async fn update_organization(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    IfMatch(version): IfMatch,
    body: Body<OrganizationPatch>,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::OrganizationsWrite)?;
    let id = OrganizationId::from_stored(&id);
    let changed = organizations::rename(&app, &caller.actor(None), &id, body.value.name, version).await;
    let changed = changed?;
    Ok(caller.named(Reply::shown(&OrganizationView::of(&changed), changed.version).into_response()))
}

/// Delete an organization that owns no client
#[utoipa::path(delete, path = "/manage/v1/organizations/{id}", tag = "organizations",
    params(("id" = String, Path, description = "The organization")),
    responses((status = 204, description = "It is deleted")),
    security(("management" = ["organizations:write"])))]
pub(super) async fn delete_organization(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    IfMatch(version): IfMatch,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::OrganizationsWrite)?;
    let done = organizations::delete(&app, &caller.actor(None), &OrganizationId::from_stored(&id), version).await;
    done?;
    Ok(caller.named(deleted()))
}

/// A limited caller knows of its own organization alone.
fn reachable(caller: &Caller, id: &str) -> Result<OrganizationId, ChangeError> {
    let id = OrganizationId::from_stored(id);
    if caller.reaches(Some(&id)) { Ok(id) } else { Err(ChangeError::NotFound { kind: "organization", id: id.to_string() }) }
}
