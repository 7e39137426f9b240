//! `/manage/v1/clients`.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use countersign_protocol::{ClientAuthMethod, ClientId};
use http::StatusCode;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::body::{Body, given, present};
use super::caller::Caller;
use super::idempotency::Attempt;
use super::key_policy::{KeyPolicyBody, KeyPolicyView};
use super::page::{List, PageQuery};
use super::path::Named;
use super::refusal::Refusal;
use super::reply::{Reply, deleted};
use super::time::rfc3339;
use super::version::IfMatch;
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, InvalidField};
use crate::clients::{
    self, AssertionAudience, Client, ClientPatch, ClientSummary, CreatedClient, KeyPolicy, KeySource, NewClient, NewKeys,
};
use crate::ids::OrganizationId;
use crate::management::Right;

/// A client.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Client)]
pub(super) struct ClientView {
    /// Its id
    client_id: String,
    /// For people
    name: String,
    /// How it authenticates
    token_endpoint_auth_method: &'static str,
    /// Whether only that way is accepted
    token_endpoint_auth_method_enforced: bool,
    /// What `aud` of its assertions may be: `issuer`, or `token_endpoint` too
    assertion_audience: &'static str,
    /// Whose client it is
    organization_id: Option<String>,
    /// What its owner calls it elsewhere
    external_id: Option<String>,
    /// What its owner wants to know of it
    metadata: Map<String, Value>,
    /// What all its API keys are given and bound by
    key_policy: KeyPolicyView,
    /// RFC 3339; null unless it is disabled
    disabled_at: Option<String>,
    /// RFC 3339
    created_at: String,
    /// RFC 3339
    updated_at: String,
}

impl ClientView {
    fn of(client: &Client) -> Self {
        Self {
            client_id: client.id.to_string(),
            name: client.name.clone(),
            token_endpoint_auth_method: client.auth_method.as_str(),
            token_endpoint_auth_method_enforced: client.auth_method_enforced,
            assertion_audience: client.assertion_audience.as_str(),
            organization_id: client.organization_id.as_ref().map(ToString::to_string),
            external_id: client.external_id.clone(),
            metadata: client.metadata.clone(),
            key_policy: KeyPolicyView::of(&client.key_policy),
            disabled_at: client.disabled_at.map(rfc3339),
            created_at: rfc3339(client.created_at),
            updated_at: rfc3339(client.updated_at),
        }
    }
}

/// A new client with its first secret, which is never shown again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedClient)]
pub(super) struct CreatedClientView {
    #[serde(flatten)]
    client: ClientView,
    /// The id of its first credential, if it has one
    credential_id: Option<String>,
    /// Its first secret, if one was made
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

impl CreatedClientView {
    /// A client with a secret.
    pub(super) fn of(made: &CreatedClient) -> Self {
        Self {
            client: ClientView::of(&made.client),
            credential_id: Some(made.secret.credential.id.to_string()),
            client_secret: Some(made.secret.text.expose().clone()),
        }
    }
}

/// What a new client is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewClient)]
pub(super) struct NewClientBody {
    /// 6 to 100 characters of `A-Z a-z 0-9 _ -`; one is made unless given
    #[serde(default)]
    client_id: Option<String>,
    /// For people: 1 to 200 characters
    name: String,
    /// `client_secret_basic` unless given
    #[serde(default)]
    token_endpoint_auth_method: Option<String>,
    /// Whether only that way is accepted
    #[serde(default)]
    token_endpoint_auth_method_enforced: bool,
    /// Whose client it is
    #[serde(default)]
    organization_id: Option<String>,
    /// What its owner calls it elsewhere: 1 to 200 characters
    #[serde(default)]
    external_id: Option<String>,
    /// What its owner wants to know of it: at most 4,096 bytes of JSON
    #[serde(default)]
    metadata: Map<String, Value>,
    /// What all its API keys are given and bound by
    #[serde(default)]
    key_policy: KeyPolicyBody,
    /// `issuer` unless given; `token_endpoint` for libraries that name that URL
    #[serde(default)]
    assertion_audience: Option<String>,
    /// Its public keys, a JWK Set, for `private_key_jwt`
    #[serde(default)]
    jwks: Option<Map<String, Value>>,
    /// Where its public keys are kept, an https URL, for `private_key_jwt`
    #[serde(default)]
    jwks_uri: Option<String>,
    /// Whether a client without keys gets a first secret: true unless given. Without one it
    /// cannot authenticate until it is given a credential
    #[serde(default = "makes_secret")]
    #[schema(default = true)]
    make_secret: bool,
}

const fn makes_secret() -> bool {
    true
}

/// What of a client is to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClientPatch)]
pub(super) struct ClientPatchBody {
    /// For people: 1 to 200 characters
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    name: Option<String>,
    /// How it authenticates
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    token_endpoint_auth_method: Option<String>,
    /// Whether only that way is accepted
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    token_endpoint_auth_method_enforced: Option<bool>,
    /// What `aud` of its assertions may be: `issuer` or `token_endpoint`
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    assertion_audience: Option<String>,
    /// Whose client it is; null takes it out of its organization
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    organization_id: Option<Option<String>>,
    /// What its owner calls it elsewhere; null clears
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    external_id: Option<Option<String>>,
    /// Replaces all of it; null clears
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Map<String, Value>>)]
    metadata: Option<Option<Map<String, Value>>>,
    /// What all its API keys are given and bound by; its members that are absent stay
    #[serde(default)]
    key_policy: KeyPolicyBody,
}

impl NewClientBody {
    /// The keys that it comes with.
    fn keys(&self) -> Result<Option<NewKeys>, InvalidField> {
        let source = match (&self.jwks, &self.jwks_uri) {
            (None, None) => return Ok(None),
            (Some(jwks), None) => KeySource::Jwks(Value::Object(jwks.clone()).to_string()),
            (None, Some(uri)) => KeySource::JwksUri(uri.clone()),
            (Some(_), Some(uri)) => return Err(InvalidField::new("jwks_uri", uri.escape_debug(), "absent beside `jwks`")),
        };
        Ok(Some(NewKeys { label: "first".to_owned(), source, not_before: None, expires_at: None }))
    }

    fn checked(self, caller: &Caller) -> Result<NewClient, ChangeError> {
        if let (Some(id), Some(_)) = (&self.client_id, caller.organization()) {
            // Whether it is taken would tell of other organizations' clients.
            return Err(InvalidField::new(
                "client_id",
                id.escape_debug(),
                "absent: a caller of an organization does not choose it",
            )
            .into());
        }
        let organization_id = self.organization_id.as_deref().map(OrganizationId::from_stored);
        let mut key_policy = KeyPolicy::default();
        self.key_policy.checked()?.apply(&mut key_policy);
        Ok(NewClient {
            id: self.client_id.as_deref().map(parse_client_id).transpose()?,
            name: self.name,
            auth_method: match &self.token_endpoint_auth_method {
                Some(name) => parse_method(name)?,
                None => ClientAuthMethod::ClientSecretBasic,
            },
            auth_method_enforced: self.token_endpoint_auth_method_enforced,
            assertion_audience: match &self.assertion_audience {
                Some(name) => parse_assertion_audience(name)?,
                None => AssertionAudience::Issuer,
            },
            organization_id: match (organization_id, caller.organization()) {
                (Some(other), Some(own)) if other != *own => return Err(unknown_organization(&other)),
                (_, Some(own)) => Some(own.clone()),
                (given, None) => given,
            },
            external_id: self.external_id,
            metadata: self.metadata,
            key_policy,
        })
    }
}

impl ClientPatchBody {
    fn checked(self, caller: &Caller) -> Result<ClientPatch, ChangeError> {
        let organization_id = self.organization_id.map(|id| id.as_deref().map(OrganizationId::from_stored));
        match (&organization_id, caller.organization()) {
            (Some(Some(other)), Some(own)) if other != own => return Err(unknown_organization(other)),
            (Some(None), Some(_)) => {
                return Err(InvalidField::new("organization_id", "null", "the caller's own organization").into());
            }
            (None | Some(_), _) => {}
        }
        Ok(ClientPatch {
            name: self.name,
            auth_method: self.token_endpoint_auth_method.as_deref().map(parse_method).transpose()?,
            auth_method_enforced: self.token_endpoint_auth_method_enforced,
            assertion_audience: self.assertion_audience.as_deref().map(parse_assertion_audience).transpose()?,
            organization_id,
            external_id: self.external_id,
            metadata: self.metadata.map(Option::unwrap_or_default),
            key_policy: self.key_policy.checked()?,
        })
    }
}

/// The query of the list.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ClientQuery {
    /// Only what its owner calls this elsewhere
    external_id: Option<String>,
    #[param(ignore)]
    page: PageQuery,
}

impl<S: Send + Sync> FromRequestParts<S> for ClientQuery {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut query = Self::default();
        query.page = PageQuery::read(parts, &mut [("external_id", &mut query.external_id)])?;
        Ok(query)
    }
}

/// List clients
#[utoipa::path(get, path = "/manage/v1/clients", tag = "clients", params(PageQuery, ClientQuery),
    responses((status = 200, description = "A piece of the list", body = List<ClientView>)),
    security(("management" = ["clients:read"])))]
pub(super) async fn list_clients(State(app): State<Arc<App>>, caller: Caller, query: ClientQuery) -> Result<Response, Refusal> {
    caller.require(Right::ClientsRead)?;
    let ClientQuery { external_id, page: query } = query;
    // A cursor goes on with the same list only.
    let name = serde_json::json!(["clients", external_id]).to_string();
    let page = query.page(&app, &name)?;
    let rows = clients::list(&app, caller.organization().cloned(), external_id, page).await?;
    let place = |row: &ClientSummary| (row.client().created_at, row.client().id.to_string());
    let list = query.list(&app, &name, rows, place, |row| ClientView::of(row.client()));
    Ok(caller.named(Reply::plain(StatusCode::OK, &list).into_response()))
}

/// Create a client
#[utoipa::path(post, path = "/manage/v1/clients", tag = "clients", request_body = NewClientBody,
    responses((status = 201, description = "The new client; its secret is shown only here", body = CreatedClientView)),
    security(("management" = ["clients:write"])))]
pub(super) async fn create_client(
    State(app): State<Arc<App>>,
    caller: Caller,
    attempt: Attempt,
    body: Body<NewClientBody>,
) -> Result<Response, Refusal> {
    caller.require(Right::ClientsWrite)?;
    let Body { value, bytes } = body;
    let work = async |by| {
        let (keys, make_secret) = (value.keys()?, value.make_secret);
        let new = value.checked(&caller)?;
        let (client, credential_id, client_secret) = match keys {
            Some(keys) => {
                let client = clients::create_with_keys(&app, &by, new, keys).await?;
                let credential_id = client.credentials.first().map(|credential| credential.id.to_string());
                (client, credential_id, None)
            }
            None if !make_secret => (clients::create_without_credential(&app, &by, new).await?, None, None),
            None => {
                let made = clients::create(&app, &by, new).await?;
                let id = made.secret.credential.id.to_string();
                (made.client, Some(id), Some(made.secret.text.expose().clone()))
            }
        };
        let location = format!("/manage/v1/clients/{}", client.id);
        let view = CreatedClientView { client: ClientView::of(&client), credential_id, client_secret };
        Ok(Reply::created(&view, client.version, location).with_secret(&["client_secret"]))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

/// Show a client
#[utoipa::path(get, path = "/manage/v1/clients/{client_id}", tag = "clients",
    params(("client_id" = String, Path, description = "The client")),
    responses((status = 200, description = "The client", body = ClientView)),
    security(("management" = ["clients:read"])))]
pub(super) async fn show_client(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    caller.require(Right::ClientsRead)?;
    let found = reachable(&app, &caller, &id).await?;
    Ok(caller.named(Reply::shown(&ClientView::of(&found), found.version).into_response()))
}

/// Change a client
#[utoipa::path(patch, path = "/manage/v1/clients/{client_id}", tag = "clients", request_body = ClientPatchBody,
    params(("client_id" = String, Path, description = "The client")),
    responses((status = 200, description = "The client", body = ClientView)),
    security(("management" = ["clients:write"])))]
pub(super) async fn update_client(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    IfMatch(version): IfMatch,
    body: Body<ClientPatchBody>,
) -> Result<Response, Refusal> {
    caller.require(Right::ClientsWrite)?;
    let changed = async {
        let found = reachable(&app, &caller, &id).await?;
        clients::update(&app, &caller.actor(None), &found.id, body.value.checked(&caller)?, version).await
    };
    let changed = changed.await?;
    Ok(caller.named(Reply::shown(&ClientView::of(&changed), changed.version).into_response()))
}

/// Delete a client with its credentials and grants
#[utoipa::path(delete, path = "/manage/v1/clients/{client_id}", tag = "clients",
    params(("client_id" = String, Path, description = "The client")),
    responses((status = 204, description = "It is deleted")),
    security(("management" = ["clients:write"])))]
pub(super) async fn delete_client(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    IfMatch(version): IfMatch,
) -> Result<Response, Refusal> {
    caller.require(Right::ClientsWrite)?;
    let done = async {
        let found = reachable(&app, &caller, &id).await?;
        clients::delete(&app, &caller.actor(None), &found.id, version).await
    };
    done.await?;
    Ok(caller.named(deleted()))
}

/// Disable a client: it gets no token until it is enabled
#[utoipa::path(post, path = "/manage/v1/clients/{client_id}/disable", tag = "clients",
    params(("client_id" = String, Path, description = "The client")),
    responses((status = 200, description = "The client", body = ClientView)),
    security(("management" = ["clients:write"])))]
pub(super) async fn disable_client(
    State(app): State<Arc<App>>,
    caller: Caller,
    attempt: Attempt,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    let change = async |by: &Actor, id: &ClientId| clients::disable(&app, by, id).await;
    change_state(&app, &caller, attempt, &id, change).await
}

/// Enable a disabled client
#[utoipa::path(post, path = "/manage/v1/clients/{client_id}/enable", tag = "clients",
    params(("client_id" = String, Path, description = "The client")),
    responses((status = 200, description = "The client", body = ClientView)),
    security(("management" = ["clients:write"])))]
pub(super) async fn enable_client(
    State(app): State<Arc<App>>,
    caller: Caller,
    attempt: Attempt,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    let change = async |by: &Actor, id: &ClientId| clients::enable(&app, by, id).await;
    change_state(&app, &caller, attempt, &id, change).await
}

/// Disabling and enabling differ in one call.
async fn change_state(
    app: &Arc<App>,
    caller: &Caller,
    attempt: Attempt,
    id: &str,
    change: impl AsyncFnOnce(&Actor, &ClientId) -> Result<(), ChangeError>,
) -> Result<Response, Refusal> {
    caller.require(Right::ClientsWrite)?;
    let work = async |by| {
        let found = reachable(app, caller, id).await?;
        change(&by, &found.id).await?;
        shown_now(app, &found.id).await
    };
    Ok(attempt.once(app, caller, &bytes::Bytes::new(), work).await)
}

async fn shown_now(app: &App, id: &ClientId) -> Result<Reply, ChangeError> {
    let client = clients::find(app, id).await?;
    Ok(Reply::shown(&ClientView::of(&client), client.version))
}

/// A text that is no client id names a client that does not exist.
pub(super) async fn reachable(app: &App, caller: &Caller, id: &str) -> Result<Client, ChangeError> {
    let parsed = ClientId::try_from(id).map_err(|_| ChangeError::NotFound { kind: "client", id: id.to_owned() })?;
    caller.find_client(app, &parsed).await
}

fn unknown_organization(id: &OrganizationId) -> ChangeError {
    ChangeError::NotFound { kind: "organization", id: id.to_string() }
}

fn parse_client_id(text: &str) -> Result<ClientId, InvalidField> {
    ClientId::try_from(text).map_err(|error| InvalidField::new("client_id", text.escape_debug(), error.to_string()))
}

fn parse_assertion_audience(text: &str) -> Result<AssertionAudience, InvalidField> {
    AssertionAudience::from_name(text)
        .ok_or_else(|| InvalidField::new("assertion_audience", text.escape_debug(), "issuer or token_endpoint"))
}

fn parse_method(text: &str) -> Result<ClientAuthMethod, InvalidField> {
    let known = || ClientAuthMethod::ALL.map(ClientAuthMethod::as_str).join(" ");
    ClientAuthMethod::from_name(text).ok_or_else(|| InvalidField::new("token_endpoint_auth_method", text.escape_debug(), known()))
}
