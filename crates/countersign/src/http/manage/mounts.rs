//! `/manage/v1/authorization-servers/{id}/mounts`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::authorization_servers::{parse_audience, reachable};
use super::body::Body;
use super::caller::Caller;
use super::idempotency::Attempt;
use super::page::{List, PageQuery};
use super::path::Named;
use super::refusal::Refusal;
use super::reply::{Reply, deleted};
use super::time::rfc3339;
use super::version::IfMatch;
use crate::app::App;
use crate::authorization_servers::{self, Mount};
use crate::change::ChangeError;
use crate::ids::AuthorizationServerId;
use crate::management::Right;

/// A mount is made and deleted, never changed.
const ONLY_VERSION: i64 = 1;

/// Where an authorization server is reached.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Mount)]
struct MountView {
    /// The base URL it is bound to; null: every configured one
    base_url: Option<String>,
    /// `/`, or `/oauth2/{id}`
    path: String,
    /// The `iss` of the tokens from there
    issuers: Vec<String>,
    /// The audience of token requests that name none
    default_audience: Option<String>,
    /// Whether it belongs to the authorization server and cannot be deleted
    built_in: bool,
    /// RFC 3339
    created_at: String,
}

impl MountView {
    fn of(app: &App, mount: &Mount) -> Self {
        let bases = app.bases.iter().filter(|base| mount.base_url.as_deref().is_none_or(|bound| bound == base.as_str()));
        Self {
            base_url: mount.base_url.clone(),
            path: mount.path.clone(),
            issuers: bases.filter_map(|base| base.issuer(&mount.path)).map(|issuer| issuer.to_string()).collect(),
            default_audience: mount.default_audience.as_ref().map(ToString::to_string),
            built_in: mount.base_url.is_none(),
            created_at: rfc3339(mount.created_at),
        }
    }
}

/// Where an authorization server is to be reached too.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMount {
    /// One of the configured base URLs
    base_url: String,
    /// The audience of token requests that name none
    #[serde(default)]
    default_audience: Option<String>,
}

/// List an authorization server's mounts
#[utoipa::path(get, path = "/manage/v1/authorization-servers/{id}/mounts", tag = "authorization-servers",
    params(("id" = String, Path, description = "The authorization server"), PageQuery),
    responses((status = 200, description = "A piece of the list", body = List<MountView>)),
    security(("management" = ["authorization_servers:read"])))]
pub(super) async fn list_mounts(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    query: PageQuery,
) -> Result<Response, Refusal> {
    caller.require(Right::AuthorizationServersRead)?;
    let server = reachable(&app, &caller, &id).await?;
    let name = format!("mounts of {}", server.id);
    let rows = authorization_servers::list_mounts(&app, &server.id, query.page(&app, &name)?).await?;
    let place = |row: &Mount| (row.created_at, format!("{}{}", row.base_url.as_deref().unwrap_or_default(), row.path));
    let list = query.list(&app, &name, rows, place, |row| MountView::of(&app, row));
    Ok(caller.named(Reply::plain(StatusCode::OK, &list).into_response()))
}

/// Reach an authorization server at the root of one base URL
#[utoipa::path(post, path = "/manage/v1/authorization-servers/{id}/mounts", tag = "authorization-servers",
    params(("id" = String, Path, description = "The authorization server")), request_body = NewMount,
    responses((status = 201, description = "The new mount", body = MountView)),
    security(("management" = ["authorization_servers:write"])))]
pub(super) async fn create_mount(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    attempt: Attempt,
    body: Body<NewMount>,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::AuthorizationServersWrite)?;
    let Body { value, bytes } = body;
    let work = async |by| {
        let id = AuthorizationServerId::from_stored(&id);
        let audience = value.default_audience.as_deref().map(|text| parse_audience("default_audience", text)).transpose()?;
        let made = authorization_servers::mount_at_host(&app, &by, &id, &value.base_url, audience).await?;
        let encoded: String = url::form_urlencoded::byte_serialize(value.base_url.as_bytes()).collect();
        let location = format!("/manage/v1/authorization-servers/{id}/mounts/{encoded}");
        Ok(Reply::created(&MountView::of(&app, &made), ONLY_VERSION, location))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

/// Delete a mount that was created; the built-in ones stay
#[utoipa::path(delete, path = "/manage/v1/authorization-servers/{id}/mounts/{base_url}", tag = "authorization-servers",
    params(("id" = String, Path, description = "The authorization server"),
        ("base_url" = String, Path, description = "The mount's base URL, percent-encoded")),
    responses((status = 204, description = "It is deleted")),
    security(("management" = ["authorization_servers:write"])))]
pub(super) async fn delete_mount(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((id, base_url)): Named<(String, String)>,
    IfMatch(version): IfMatch,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::AuthorizationServersWrite)?;
    ChangeError::check_version(version, ONLY_VERSION)?;
    let id = AuthorizationServerId::from_stored(&id);
    authorization_servers::unmount(&app, &caller.actor(None), &id, &base_url).await?;
    Ok(caller.named(deleted()))
}
