//! `/manage/v1/resource-servers`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use countersign_protocol::ScopeToken;
use countersign_protocol::jose::Algorithm;
use http::StatusCode;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::authorization_servers::{parse_algorithm, parse_audience};
use super::body::{Body, given, present};
use super::caller::Caller;
use super::idempotency::Attempt;
use super::page::{List, PageQuery};
use super::path::Named;
use super::refusal::Refusal;
use super::reply::{Reply, deleted};
use super::time::rfc3339;
use super::version::IfMatch;
use crate::app::App;
use crate::change::{ChangeError, InvalidField, check_description};
use crate::ids::{AuthorizationServerId, ResourceServerId};
use crate::management::Right;
use crate::resource_servers::{
    self, NewResourceServer, Profile, ResourceServer, ResourceServerPatch, ScopeDefinition, TokenFormat,
};

/// An API that tokens are for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResourceServer)]
struct ResourceServerView {
    /// Its id
    id: String,
    /// The authorization server that issues its tokens
    authorization_server_id: String,
    /// The `aud` of its tokens
    audience: String,
    /// For people
    name: String,
    /// Claims beyond RFC 9068: `rfc9068` (none), `okta`, `auth0`
    profile: &'static str,
    /// How its tokens are signed; null: as the authorization server says
    signing_alg: Option<&'static str>,
    /// What its tokens look like: `jwt`, or `opaque`, which only introspection reads
    token_format: &'static str,
    /// Whether a client that asks for a token that it holds gets that one again
    reuse_live_tokens: bool,
    /// Lifetime of its tokens
    token_lifetime_seconds: i64,
    /// The scopes it knows
    scopes: Vec<ScopeView>,
    /// RFC 3339
    created_at: String,
    /// RFC 3339
    updated_at: String,
}

/// A scope of a resource server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Scope)]
struct ScopeView {
    /// The token on the wire
    scope: String,
    /// For people
    description: String,
}

impl ResourceServerView {
    fn of(server: &ResourceServer) -> Self {
        let scope = |definition: &ScopeDefinition| ScopeView {
            scope: definition.scope.to_string(),
            description: definition.description.clone(),
        };
        Self {
            id: server.id.to_string(),
            authorization_server_id: server.authorization_server_id.to_string(),
            audience: server.audience.to_string(),
            name: server.name.clone(),
            profile: server.profile.as_str(),
            signing_alg: server.signing_alg.map(Algorithm::as_str),
            token_format: server.token_format.as_str(),
            reuse_live_tokens: server.reuse_live_tokens,
            token_lifetime_seconds: server.token_lifetime_seconds,
            scopes: server.scopes.iter().map(scope).collect(),
            created_at: rfc3339(server.created_at),
            updated_at: rfc3339(server.updated_at),
        }
    }
}

/// A scope that a resource server is to know.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewScope {
    /// 1 to 256 characters that RFC 6749 section 3.3 allows
    #[serde(deserialize_with = "scope_token")]
    #[schema(value_type = String)]
    scope: ScopeToken,
    /// For people: at most 500 characters
    #[serde(default, deserialize_with = "description")]
    description: String,
}

fn scope_token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ScopeToken, D::Error> {
    ScopeToken::try_from(String::deserialize(deserializer)?.as_str()).map_err(D::Error::custom)
}

fn description<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    check_description("description", &text).map_err(D::Error::custom)?;
    Ok(text)
}

fn definitions(scopes: Vec<NewScope>) -> Vec<ScopeDefinition> {
    scopes.into_iter().map(|new| ScopeDefinition { scope: new.scope, description: new.description }).collect()
}

/// What a new resource server is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewResourceServer)]
pub(super) struct NewResourceServerBody {
    /// The authorization server that is to issue its tokens; `default` unless given
    #[serde(default)]
    authorization_server_id: Option<String>,
    /// The `aud` of its tokens; it stays
    audience: String,
    /// For people: 1 to 200 characters
    name: String,
    /// Claims beyond RFC 9068: `rfc9068` (none, unless given), `okta`, `auth0`
    #[serde(default)]
    profile: Option<String>,
    /// How its tokens are signed; as the authorization server says unless given
    #[serde(default)]
    signing_alg: Option<String>,
    /// What its tokens look like: `jwt` (unless given), or `opaque`, which only introspection reads
    #[serde(default)]
    token_format: Option<String>,
    /// Whether a client that asks for a token that it holds gets that one again, while enough of
    /// its life is left (the setting `tokens.reuse_min_life_percent`): false unless given
    #[serde(default)]
    reuse_live_tokens: bool,
    /// Lifetime of its tokens: 60 to 86,400, 600 unless given
    #[serde(default)]
    token_lifetime_seconds: Option<i64>,
    /// The scopes it knows: at most 200
    #[serde(default)]
    scopes: Vec<NewScope>,
}

impl NewResourceServerBody {
    fn checked(self) -> Result<NewResourceServer, InvalidField> {
        let server_id = self.authorization_server_id.as_deref().map(AuthorizationServerId::from_stored);
        Ok(NewResourceServer {
            authorization_server_id: server_id.unwrap_or_else(AuthorizationServerId::default_server),
            audience: parse_audience("audience", &self.audience)?,
            name: self.name,
            profile: self.profile.as_deref().map_or(Ok(Profile::default()), parse_profile)?,
            signing_alg: self.signing_alg.as_deref().map(parse_algorithm).transpose()?,
            token_format: self.token_format.as_deref().map_or(Ok(TokenFormat::default()), parse_token_format)?,
            reuse_live_tokens: self.reuse_live_tokens,
            token_lifetime_seconds: self.token_lifetime_seconds.unwrap_or(resource_servers::DEFAULT_TOKEN_LIFETIME_SECONDS),
            scopes: definitions(self.scopes),
        })
    }
}

/// What of a resource server is to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ResourceServerPatch)]
pub(super) struct ResourceServerPatchBody {
    /// For people: 1 to 200 characters
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    name: Option<String>,
    /// Claims beyond RFC 9068: `rfc9068` (none), `okta`, `auth0`
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    profile: Option<String>,
    /// How its tokens are signed; null: as the authorization server says
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    signing_alg: Option<Option<String>>,
    /// What its tokens look like: `jwt` or `opaque`; tokens that are out stay as they are
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    token_format: Option<String>,
    /// Whether a client that asks for a token that it holds gets that one again
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    reuse_live_tokens: Option<bool>,
    /// Lifetime of its tokens: 60 to 86,400
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = i64, required = false)]
    token_lifetime_seconds: Option<i64>,
    /// Replaces all of them; one that a grant names cannot go
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<NewScope>, required = false)]
    scopes: Option<Vec<NewScope>>,
}

impl ResourceServerPatchBody {
    fn checked(self) -> Result<ResourceServerPatch, InvalidField> {
        Ok(ResourceServerPatch {
            name: self.name,
            profile: self.profile.as_deref().map(parse_profile).transpose()?,
            signing_alg: self.signing_alg.map(|alg| alg.as_deref().map(parse_algorithm).transpose()).transpose()?,
            token_format: self.token_format.as_deref().map(parse_token_format).transpose()?,
            reuse_live_tokens: self.reuse_live_tokens,
            token_lifetime_seconds: self.token_lifetime_seconds,
            scopes: self.scopes.map(definitions),
        })
    }
}

/// List resource servers
#[utoipa::path(get, path = "/manage/v1/resource-servers", tag = "resource-servers", params(PageQuery),
    responses((status = 200, description = "A piece of the list", body = List<ResourceServerView>)),
    security(("management" = ["resource_servers:read"])))]
pub(super) async fn list_resource_servers(
    State(app): State<Arc<App>>,
    caller: Caller,
    query: PageQuery,
) -> Result<Response, Refusal> {
    caller.require(Right::ResourceServersRead)?;
    let page = query.page(&app, "resource-servers")?;
    let rows = resource_servers::list(&app, caller.only_granted_to(), page).await?;
    let place = |row: &ResourceServer| (row.created_at, row.id.to_string());
    let list = query.list(&app, "resource-servers", rows, place, ResourceServerView::of);
    Ok(caller.named(Reply::plain(StatusCode::OK, &list).into_response()))
}

/// Create a resource server
#[utoipa::path(post, path = "/manage/v1/resource-servers", tag = "resource-servers", request_body = NewResourceServerBody,
    responses((status = 201, description = "The new resource server", body = ResourceServerView)),
    security(("management" = ["resource_servers:write"])))]
pub(super) async fn create_resource_server(
    State(app): State<Arc<App>>,
    caller: Caller,
    attempt: Attempt,
    body: Body<NewResourceServerBody>,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::ResourceServersWrite)?;
    let Body { value, bytes } = body;
    let work = async |by| {
        let made = resource_servers::create(&app, &by, value.checked()?).await?;
        let location = format!("/manage/v1/resource-servers/{}", made.id);
        Ok(Reply::created(&ResourceServerView::of(&made), made.version, location))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

/// Show a resource server
#[utoipa::path(get, path = "/manage/v1/resource-servers/{id}", tag = "resource-servers",
    params(("id" = String, Path, description = "The resource server")),
    responses((status = 200, description = "The resource server", body = ResourceServerView)),
    security(("management" = ["resource_servers:read"])))]
pub(super) async fn show_resource_server(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    caller.require(Right::ResourceServersRead)?;
    let id = reachable(&caller, &id)?;
    let found = resource_servers::find(&app, &id).await?;
    Ok(caller.named(Reply::shown(&ResourceServerView::of(&found), found.version).into_response()))
}

/// Change a resource server; its audience stays
#[utoipa::path(patch, path = "/manage/v1/resource-servers/{id}", tag = "resource-servers",
    params(("id" = String, Path, description = "The resource server")), request_body = ResourceServerPatchBody,
    responses((status = 200, description = "The resource server", body = ResourceServerView)),
    security(("management" = ["resource_servers:write"])))]
pub(super) async fn update_resource_server(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    IfMatch(version): IfMatch,
    body: Body<ResourceServerPatchBody>,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::ResourceServersWrite)?;
    let id = ResourceServerId::from_stored(&id);
    let changed = resource_servers::update(&app, &caller.actor(None), &id, body.value.checked()?, version).await?;
    Ok(caller.named(Reply::shown(&ResourceServerView::of(&changed), changed.version).into_response()))
}

/// Delete a resource server that no client has a grant for
#[utoipa::path(delete, path = "/manage/v1/resource-servers/{id}", tag = "resource-servers",
    params(("id" = String, Path, description = "The resource server")),
    responses((status = 204, description = "It is deleted")),
    security(("management" = ["resource_servers:write"])))]
pub(super) async fn delete_resource_server(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    IfMatch(version): IfMatch,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::ResourceServersWrite)?;
    resource_servers::delete(&app, &caller.actor(None), &ResourceServerId::from_stored(&id), version).await?;
    Ok(caller.named(deleted()))
}

/// A limited caller knows of those that it has grants for.
pub(in crate::http) fn reachable(caller: &Caller, id: &str) -> Result<ResourceServerId, ChangeError> {
    let id = ResourceServerId::from_stored(id);
    if caller.organization().is_none() || caller.client().grant_for(&id).is_some() {
        return Ok(id);
    }
    Err(ChangeError::NotFound { kind: "resource server", id: id.to_string() })
}

fn parse_token_format(text: &str) -> Result<TokenFormat, InvalidField> {
    let known = || TokenFormat::ALL.map(TokenFormat::as_str).join(" ");
    TokenFormat::from_name(text).ok_or_else(|| InvalidField::new("token_format", text.escape_debug(), known()))
}

fn parse_profile(text: &str) -> Result<Profile, InvalidField> {
    let known = || Profile::ALL.map(Profile::as_str).join(" ");
    Profile::from_name(text).ok_or_else(|| InvalidField::new("profile", text.escape_debug(), known()))
}
