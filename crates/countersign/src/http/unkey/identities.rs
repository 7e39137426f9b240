//! Identities: clients with an external id.

use countersign_protocol::{ClientId, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::counted::{RateLimit, rules};
use super::operation::{Context, Reply};
use super::owner;
use super::page::Piece;
use super::refusal::UnkeyRefusal;
use super::view::IdentityView;
use crate::change::ChangeError;
use crate::clients::{self, Client, ClientPatch, ClientSummary, KeyPolicy, KeyPolicyPatch, NewIdentity};
use crate::management::Right;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct NewIdentityBody {
    external_id: String,
    #[serde(default)]
    meta: Map<String, Value>,
    #[serde(default)]
    ratelimits: Vec<RateLimit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityName {
    /// Its id, or its external id.
    identity: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identities {
    limit: Option<u32>,
    cursor: Option<String>,
    search: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityUpdate {
    identity: String,
    meta: Option<Map<String, Value>>,
    ratelimits: Option<Vec<RateLimit>>,
}

pub(super) async fn create(context: Context, body: NewIdentityBody) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::ClientsWrite)?;
    let organization = context.organization();
    let key_policy = KeyPolicy { limits: rules(body.ratelimits)?, ..KeyPolicy::default() };
    let new = NewIdentity { organization, external_id: body.external_id, metadata: body.meta, key_policy };
    let made = clients::create_identity(&context.app, &context.actor(), new).await?;
    Ok(Reply::of(&json!({ "identityId": made.id.as_str() })))
}

pub(super) async fn get(context: Context, body: IdentityName) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::ClientsRead)?;
    shown(&find(&context, &body.identity).await?)
}

pub(super) async fn list(context: Context, body: Identities) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::ClientsRead)?;
    if body.search.is_some_and(|search| !search.is_empty()) {
        return Err(UnkeyRefusal::member("search", "none: identities are found by their external id"));
    }
    let organization = context.organization();
    let name = json!(["unkey identities", organization.as_ref().map(ToString::to_string)]).to_string();
    let piece = Piece::of(name, body.limit, body.cursor)?;
    let mut rows = clients::list_identities(&context.app, organization, piece.page(&context)?).await?;
    let place = |row: &ClientSummary| (row.client().created_at, row.client().id.to_string());
    let next = piece.cut(&context, &mut rows, |row| -> (Timestamp, String) { place(row) });
    let views: Vec<IdentityView> = rows.iter().filter_map(|row| IdentityView::of(row.client())).collect();
    Ok(Reply::list(&views, next))
}

pub(super) async fn update(context: Context, body: IdentityUpdate) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::ClientsWrite)?;
    let found = find(&context, &body.identity).await?;
    let limits = body.ratelimits.map(rules).transpose()?;
    let key_policy = KeyPolicyPatch { limits, ..KeyPolicyPatch::default() };
    let patch = ClientPatch { metadata: body.meta, key_policy, ..ClientPatch::default() };
    shown(&clients::update(&context.app, &context.actor(), &found.id, patch, None).await?)
}

/// Its keys stay, and belong to nobody from then on.
pub(super) async fn delete(context: Context, body: IdentityName) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::ClientsWrite)?;
    let found = find(&context, &body.identity).await?;
    clients::delete_identity(&context.app, &context.actor(), &found.id).await?;
    Ok(Reply::empty())
}

/// The identity with this external id, or this id.
async fn find(context: &Context, name: &str) -> Result<Client, UnkeyRefusal> {
    let unknown = || UnkeyRefusal::not_found("identity", name);
    if let Some(found) = owner::find(context, name).await? {
        return Ok(found);
    }
    let id = ClientId::try_from(name).map_err(|_| unknown())?;
    match context.caller.find_client(&context.app, &id).await {
        Ok(client) if client.external_id.is_some() => Ok(client),
        Ok(_) | Err(ChangeError::NotFound { .. }) => Err(unknown()),
        Err(error) => Err(error.into()),
    }
}

fn shown(client: &Client) -> Result<Reply, UnkeyRefusal> {
    let view = IdentityView::of(client).ok_or_else(|| UnkeyRefusal::not_found("identity", client.id.as_str()))?;
    Ok(Reply::of(&view))
}
