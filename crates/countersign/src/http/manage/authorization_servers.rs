//! `/manage/v1/authorization-servers`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use countersign_protocol::Audience;
use countersign_protocol::jose::Algorithm;
use http::StatusCode;
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
use crate::authorization_servers::{self, AuthorizationServer, AuthorizationServerPatch, NewAuthorizationServer};
use crate::change::{ChangeError, InvalidField};
use crate::ids::AuthorizationServerId;
use crate::management::Right;

/// An issuer with its own signing keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuthorizationServer)]
struct AuthorizationServerView {
    /// Its id, part of its issuer URL
    id: String,
    /// For people
    name: String,
    /// How its tokens are signed unless a resource server says otherwise
    signing_alg: &'static str,
    /// How long a key signs until its successor takes over
    rotation_interval_seconds: i64,
    /// Whether its JWTs have a place in a status list
    status_lists: bool,
    /// RFC 3339
    created_at: String,
    /// RFC 3339
    updated_at: String,
}

impl AuthorizationServerView {
    fn of(server: &AuthorizationServer) -> Self {
        Self {
            id: server.id.to_string(),
            name: server.name.clone(),
            signing_alg: server.signing_alg.as_str(),
            rotation_interval_seconds: server.rotation_interval_seconds,
            status_lists: server.status_lists_since.is_some(),
            created_at: rfc3339(server.created_at),
            updated_at: rfc3339(server.updated_at),
        }
    }
}

/// What a new authorization server is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAuthorizationServer)]
pub(super) struct NewAuthorizationServerBody {
    /// 2 to 63 characters of `a-z 0-9 _ -`; part of its issuer URL
    id: String,
    /// For people: 1 to 200 characters
    name: String,
    /// How its tokens are signed; `RS256` unless given
    #[serde(default)]
    signing_alg: Option<String>,
    /// Whether its JWTs have a place in a status list; `false` unless given
    #[serde(default)]
    status_lists: Option<bool>,
    /// The audience of token requests at its mount that name none
    #[serde(default)]
    default_audience: Option<String>,
}

impl NewAuthorizationServerBody {
    fn checked(self) -> Result<NewAuthorizationServer, InvalidField> {
        let accepted = "2 to 63 characters of a-z 0-9 _ -, beginning with a letter or digit; not `v1`";
        Ok(NewAuthorizationServer {
            id: AuthorizationServerId::parse(&self.id).ok_or_else(|| InvalidField::new("id", self.id.escape_debug(), accepted))?,
            name: self.name,
            signing_alg: self.signing_alg.as_deref().map_or(Ok(Algorithm::RS256), parse_algorithm)?,
            status_lists: self.status_lists.unwrap_or_default(),
            default_audience: self.default_audience.as_deref().map(|text| parse_audience("default_audience", text)).transpose()?,
        })
    }
}

/// What of an authorization server is to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuthorizationServerPatch)]
pub(super) struct AuthorizationServerPatchBody {
    /// For people: 1 to 200 characters
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    name: Option<String>,
    /// How its tokens are signed: an algorithm that it has keys for
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    signing_alg: Option<String>,
    /// How long a key signs until its successor takes over: 86,400 to 315,360,000
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = i64, required = false)]
    rotation_interval_seconds: Option<i64>,
    /// Whether its JWTs are to have a place in a status list; those that have one keep it
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    status_lists: Option<bool>,
}

/// List authorization servers
#[utoipa::path(get, path = "/manage/v1/authorization-servers", tag = "authorization-servers", params(PageQuery),
    responses((status = 200, description = "A piece of the list", body = List<AuthorizationServerView>)),
    security(("management" = ["authorization_servers:read"])))]
pub(super) async fn list_authorization_servers(
    State(app): State<Arc<App>>,
    caller: Caller,
    query: PageQuery,
) -> Result<Response, Refusal> {
    caller.require(Right::AuthorizationServersRead)?;
    let page = query.page(&app, "authorization-servers")?;
    let rows = authorization_servers::list(&app, caller.only_granted_to(), page).await?;
    let place = |row: &AuthorizationServer| (row.created_at, row.id.to_string());
    let list = query.list(&app, "authorization-servers", rows, place, AuthorizationServerView::of);
    Ok(caller.named(Reply::plain(StatusCode::OK, &list).into_response()))
}

/// Create an authorization server with its signing keys and its mount `/oauth2/{id}`
#[utoipa::path(post, path = "/manage/v1/authorization-servers", tag = "authorization-servers",
    request_body = NewAuthorizationServerBody,
    responses((status = 201, description = "The new authorization server", body = AuthorizationServerView)),
    security(("management" = ["authorization_servers:write"])))]
pub(super) async fn create_authorization_server(
    State(app): State<Arc<App>>,
    caller: Caller,
    attempt: Attempt,
    body: Body<NewAuthorizationServerBody>,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::AuthorizationServersWrite)?;
    let Body { value, bytes } = body;
    let work = async |by| {
        let made = authorization_servers::create(&app, &by, value.checked()?).await?;
        let location = format!("/manage/v1/authorization-servers/{}", made.id);
        Ok(Reply::created(&AuthorizationServerView::of(&made), made.version, location))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

/// Show an authorization server
#[utoipa::path(get, path = "/manage/v1/authorization-servers/{id}", tag = "authorization-servers",
    params(("id" = String, Path, description = "The authorization server")),
    responses((status = 200, description = "The authorization server", body = AuthorizationServerView)),
    security(("management" = ["authorization_servers:read"])))]
pub(super) async fn show_authorization_server(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    caller.require(Right::AuthorizationServersRead)?;
    let found = reachable(&app, &caller, &id).await?;
    Ok(caller.named(Reply::shown(&AuthorizationServerView::of(&found), found.version).into_response()))
}

/// Change an authorization server
#[utoipa::path(patch, path = "/manage/v1/authorization-servers/{id}", tag = "authorization-servers",
    params(("id" = String, Path, description = "The authorization server")),
    request_body = AuthorizationServerPatchBody,
    responses((status = 200, description = "The authorization server", body = AuthorizationServerView)),
    security(("management" = ["authorization_servers:write"])))]
pub(super) async fn update_authorization_server(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    IfMatch(version): IfMatch,
    body: Body<AuthorizationServerPatchBody>,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::AuthorizationServersWrite)?;
    let patch = AuthorizationServerPatch {
        name: body.value.name,
        signing_alg: body.value.signing_alg.as_deref().map(parse_algorithm).transpose()?,
        rotation_interval_seconds: body.value.rotation_interval_seconds,
        status_lists: body.value.status_lists,
    };
    let id = AuthorizationServerId::from_stored(&id);
    let changed = authorization_servers::update(&app, &caller.actor(None), &id, patch, version).await?;
    Ok(caller.named(Reply::shown(&AuthorizationServerView::of(&changed), changed.version).into_response()))
}

/// Delete an authorization server, with its mounts and signing keys; not `default`
#[utoipa::path(delete, path = "/manage/v1/authorization-servers/{id}", tag = "authorization-servers",
    params(("id" = String, Path, description = "The authorization server")),
    responses((status = 204, description = "It is deleted")),
    security(("management" = ["authorization_servers:write"])))]
pub(super) async fn delete_authorization_server(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    IfMatch(version): IfMatch,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::AuthorizationServersWrite)?;
    let id = AuthorizationServerId::from_stored(&id);
    authorization_servers::delete(&app, &caller.actor(None), &id, version).await?;
    Ok(caller.named(deleted()))
}

/// A limited caller knows of those whose tokens it can get.
pub(super) async fn reachable(app: &App, caller: &Caller, id: &str) -> Result<AuthorizationServer, ChangeError> {
    let id = AuthorizationServerId::from_stored(id);
    let catalog = app.catalog();
    let granted = |server_id: &AuthorizationServerId| {
        let mut servers = caller.client().grants.iter().filter_map(|grant| catalog.resource_server(&grant.resource_server_id));
        servers.any(|resource_server| resource_server.authorization_server_id == *server_id)
    };
    if caller.organization().is_none() || granted(&id) {
        return authorization_servers::find(app, &id).await;
    }
    Err(ChangeError::NotFound { kind: "authorization server", id: id.to_string() })
}

pub(super) fn parse_algorithm(text: &str) -> Result<Algorithm, InvalidField> {
    let known: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect();
    Algorithm::from_name(text).ok_or_else(|| InvalidField::new("signing_alg", text.escape_debug(), known.join(" ")))
}

pub(super) fn parse_audience(field: &'static str, text: &str) -> Result<Audience, InvalidField> {
    Audience::try_from(text).map_err(|error| InvalidField::new(field, text.escape_debug(), error.to_string()))
}
