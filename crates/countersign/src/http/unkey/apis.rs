//! APIs: resource servers. Their audience is made up; a token for one is asked for by it.

use countersign_protocol::jose::base64url;
use countersign_protocol::{Audience, ErrorCode};
use serde::Deserialize;
use serde_json::json;

use super::keys::read_only;
use super::operation::{Context, Reply};
use super::owner;
use super::page::Piece;
use super::refusal::UnkeyRefusal;
use super::view::KeyView;
use crate::api_keys::{self, ApiKey, ApiKeyFilter, ApiKeyState};
use crate::change::ChangeError;
use crate::entropy::random;
use crate::http::errors::fault;
use crate::http::manage::reachable_resource_server;
use crate::ids::{AuthorizationServerId, ResourceServerId};
use crate::management::Right;
use crate::resource_servers::{self, DEFAULT_TOKEN_LIFETIME_SECONDS, NewResourceServer, Profile, TokenFormat};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewApi {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ApiName {
    api_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct KeysOfApi {
    api_id: String,
    limit: Option<u32>,
    cursor: Option<String>,
    external_id: Option<String>,
    #[serde(default)]
    decrypt: bool,
    /// Nothing is cached that would have to be.
    #[serde(default, rename = "revalidateKeysCache")]
    _revalidate: bool,
}

pub(super) async fn create(context: Context, body: NewApi) -> Result<Reply, UnkeyRefusal> {
    context.require_for_instance(Right::ResourceServersWrite)?;
    let audience = format!("urn:api:{}", base64url::encode(&random::<15>(context.app.entropy.as_ref())));
    let new = NewResourceServer {
        authorization_server_id: AuthorizationServerId::default_server(),
        audience: Audience::try_from(audience.as_str()).map_err(|error| fault(ErrorCode::Internal, error.to_string()))?,
        name: body.name,
        profile: Profile::default(),
        signing_alg: None,
        token_format: TokenFormat::default(),
        reuse_live_tokens: false,
        token_lifetime_seconds: DEFAULT_TOKEN_LIFETIME_SECONDS,
        scopes: Vec::new(),
    };
    let made = resource_servers::create(&context.app, &context.actor(), new).await?;
    Ok(Reply::of(&json!({ "apiId": made.id.as_str() })))
}

pub(super) async fn get(context: Context, body: ApiName) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::ResourceServersRead)?;
    let id = reachable_resource_server(&context.caller, &body.api_id)?;
    let found = resource_servers::find(&context.app, &id).await?;
    Ok(Reply::of(&json!({ "id": found.id.as_str(), "name": found.name })))
}

/// Deletes an API with its keys.
pub(super) async fn delete(context: Context, body: ApiName) -> Result<Reply, UnkeyRefusal> {
    context.require_for_instance(Right::ResourceServersWrite)?;
    let id = ResourceServerId::from_stored(&body.api_id);
    match resource_servers::delete(&context.app, &context.actor(), &id, None).await {
        Err(ChangeError::State(_)) => {}
        done => return Ok(done.map(|()| Reply::empty())?),
    }
    // It may have keys: who may delete an API may not delete every key.
    context.require(Right::KeysWrite)?;
    resource_servers::delete_with_keys(&context.app, &context.actor(), &id).await?;
    Ok(Reply::empty())
}

pub(super) async fn list_keys(context: Context, body: KeysOfApi) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::KeysRead)?;
    read_only(body.decrypt, "decrypt")?;
    let id = reachable_resource_server(&context.caller, &body.api_id)?;
    resource_servers::find(&context.app, &id).await?;
    let name = json!(["unkey keys", body.api_id, body.external_id]).to_string();
    let piece = Piece::of(name, body.limit, body.cursor)?;
    let page = piece.page(&context)?;
    let client_id = match &body.external_id {
        None => None,
        Some(external_id) => match owner::find(&context, external_id).await? {
            Some(client) => Some(client.id.to_string()),
            None => return Ok(Reply::list(&[(); 0], None)),
        },
    };
    let filter = ApiKeyFilter {
        organization: context.organization(),
        client_id,
        resource_server_id: Some(id.to_string()),
        ..ApiKeyFilter::default()
    };
    let mut rows = api_keys::list(&context.app, filter, page).await?;
    let next = piece.cut(&context, &mut rows, |row: &ApiKey| (row.created_at, row.id.to_string()));
    let now = context.app.clock.now();
    let mut views = Vec::with_capacity(rows.len());
    // A revoked key is what Unkey calls deleted.
    for key in rows.iter().filter(|key| key.state(now) != ApiKeyState::Revoked) {
        views.push(KeyView::of(&context.app, key).await?);
    }
    Ok(Reply::list(&views, next))
}
