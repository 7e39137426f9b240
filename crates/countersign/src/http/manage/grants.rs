//! `/manage/v1/clients/{client_id}/grants`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use countersign_protocol::{ClientId, Scope};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, given, present};
use super::caller::Caller;
use super::clients::reachable;
use super::idempotency::Attempt;
use super::page::{List, PageQuery};
use super::path::Named;
use super::refusal::Refusal;
use super::reply::{Reply, deleted};
use super::time::rfc3339;
use super::version::IfMatch;
use crate::app::App;
use crate::change::InvalidField;
use crate::clients::{self, ClientGrant, ClientGrantPatch, NewClientGrant};
use crate::ids::{ClientGrantId, ResourceServerId};
use crate::management::{Right, resource_server_id};

/// Leave for a client to ask for tokens for one resource server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Grant)]
struct GrantView {
    /// Its id
    id: String,
    /// The client
    client_id: String,
    /// The resource server
    resource_server_id: String,
    /// Its audience
    audience: Option<String>,
    /// The scopes that may be asked for, separated by spaces
    scope: String,
    /// Overrides the resource server's lifetime
    token_lifetime_seconds: Option<i64>,
    /// RFC 3339
    created_at: String,
    /// RFC 3339
    updated_at: String,
}

impl GrantView {
    fn of(app: &App, client_id: &ClientId, grant: &ClientGrant) -> Self {
        let catalog = app.catalog();
        let resource_server = catalog.resource_server(&grant.resource_server_id);
        Self {
            audience: resource_server.map(|found| found.audience.to_string()),
            id: grant.id.to_string(),
            client_id: client_id.to_string(),
            resource_server_id: grant.resource_server_id.to_string(),
            scope: grant.scope.to_string(),
            token_lifetime_seconds: grant.token_lifetime_seconds,
            created_at: rfc3339(grant.created_at),
            updated_at: rfc3339(grant.updated_at),
        }
    }
}

/// What a new grant is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewGrant {
    /// The resource server
    resource_server_id: String,
    /// Scopes of the resource server, separated by spaces; may be empty
    scope: String,
    /// Overrides the resource server's lifetime: 60 to 86,400
    #[serde(default)]
    token_lifetime_seconds: Option<i64>,
}

/// What of a grant is to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantPatch {
    /// Scopes of the resource server, separated by spaces; replaces all of them
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    scope: Option<String>,
    /// Overrides the resource server's lifetime: 60 to 86,400; null clears
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    token_lifetime_seconds: Option<Option<i64>>,
}

/// List a client's grants
#[utoipa::path(get, path = "/manage/v1/clients/{client_id}/grants", tag = "grants",
    params(("client_id" = String, Path, description = "The client"), PageQuery),
    responses((status = 200, description = "A piece of the list", body = List<GrantView>)),
    security(("management" = ["grants:read"])))]
pub(super) async fn list_grants(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(client_id): Named<String>,
    query: PageQuery,
) -> Result<Response, Refusal> {
    caller.require(Right::GrantsRead)?;
    let client = reachable(&app, &caller, &client_id).await?;
    let name = format!("grants of {}", client.id);
    let rows = clients::list_grants(&app, &client.id, query.page(&app, &name)?).await?;
    let place = |row: &ClientGrant| (row.created_at, row.id.to_string());
    let list = query.list(&app, &name, rows, place, |row| GrantView::of(&app, &client.id, row));
    Ok(caller.named(Reply::plain(StatusCode::OK, &list).into_response()))
}

/// Grant a client access to a resource server. For the management API itself,
/// `operators:write` is needed too
#[utoipa::path(post, path = "/manage/v1/clients/{client_id}/grants", tag = "grants",
    params(("client_id" = String, Path, description = "The client")), request_body = NewGrant,
    responses((status = 201, description = "The new grant", body = GrantView)),
    security(("management" = ["grants:write"])))]
pub(super) async fn create_grant(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(client_id): Named<String>,
    attempt: Attempt,
    body: Body<NewGrant>,
) -> Result<Response, Refusal> {
    caller.require(Right::GrantsWrite)?;
    let Body { value, bytes } = body;
    require_for(&caller, &ResourceServerId::from_stored(&value.resource_server_id))?;
    let work = async |by| {
        let client = reachable(&app, &caller, &client_id).await?;
        let new = NewClientGrant {
            client_id: client.id.clone(),
            resource_server_id: ResourceServerId::from_stored(&value.resource_server_id),
            scope: parse_scope(&value.scope)?,
            token_lifetime_seconds: value.token_lifetime_seconds,
        };
        let made = clients::grant(&app, &by, new).await?;
        let location = format!("/manage/v1/clients/{}/grants/{}", client.id, made.id);
        Ok(Reply::created(&GrantView::of(&app, &client.id, &made), made.version, location))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

/// Show a grant
#[utoipa::path(get, path = "/manage/v1/clients/{client_id}/grants/{grant_id}", tag = "grants",
    params(("client_id" = String, Path, description = "The client"), ("grant_id" = String, Path, description = "The grant")),
    responses((status = 200, description = "The grant", body = GrantView)),
    security(("management" = ["grants:read"])))]
pub(super) async fn show_grant(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((client_id, id)): Named<(String, String)>,
) -> Result<Response, Refusal> {
    caller.require(Right::GrantsRead)?;
    let client = reachable(&app, &caller, &client_id).await?;
    let grant = client.find_grant(&ClientGrantId::from_stored(&id))?;
    Ok(caller.named(Reply::shown(&GrantView::of(&app, &client.id, grant), grant.version).into_response()))
}

/// Change a grant
#[utoipa::path(patch, path = "/manage/v1/clients/{client_id}/grants/{grant_id}", tag = "grants",
    params(("client_id" = String, Path, description = "The client"), ("grant_id" = String, Path, description = "The grant")),
    request_body = GrantPatch, responses((status = 200, description = "The grant", body = GrantView)),
    security(("management" = ["grants:write"])))]
pub(super) async fn update_grant(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((client_id, id)): Named<(String, String)>,
    IfMatch(version): IfMatch,
    body: Body<GrantPatch>,
) -> Result<Response, Refusal> {
    caller.require(Right::GrantsWrite)?;
    let (client, id) = (reachable(&app, &caller, &client_id).await?, ClientGrantId::from_stored(&id));
    require_for(&caller, &client.find_grant(&id)?.resource_server_id)?;
    let patch = ClientGrantPatch {
        scope: body.value.scope.as_deref().map(parse_scope).transpose()?,
        token_lifetime_seconds: body.value.token_lifetime_seconds,
    };
    let changed = clients::update_grant(&app, &caller.actor(None), (&client.id, &id), patch, version).await?;
    Ok(caller.named(Reply::shown(&GrantView::of(&app, &client.id, &changed), changed.version).into_response()))
}

/// Take a grant back; tokens that are out live until they expire
#[utoipa::path(delete, path = "/manage/v1/clients/{client_id}/grants/{grant_id}", tag = "grants",
    params(("client_id" = String, Path, description = "The client"), ("grant_id" = String, Path, description = "The grant")),
    responses((status = 204, description = "It is deleted")),
    security(("management" = ["grants:write"])))]
pub(super) async fn delete_grant(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((client_id, id)): Named<(String, String)>,
    IfMatch(version): IfMatch,
) -> Result<Response, Refusal> {
    caller.require(Right::GrantsWrite)?;
    let (client, id) = (reachable(&app, &caller, &client_id).await?, ClientGrantId::from_stored(&id));
    require_for(&caller, &client.find_grant(&id)?.resource_server_id)?;
    clients::delete_grant(&app, &caller.actor(None), (&client.id, &id), version).await?;
    Ok(caller.named(deleted()))
}

/// Grants for this API make operators.
fn require_for(caller: &Caller, id: &ResourceServerId) -> Result<(), Refusal> {
    if *id == resource_server_id() { caller.require(Right::OperatorsWrite) } else { Ok(()) }
}

fn parse_scope(text: &str) -> Result<Scope, InvalidField> {
    Scope::parse(text).map_err(|error| InvalidField::new("scope", text.escape_debug(), error.to_string()))
}
