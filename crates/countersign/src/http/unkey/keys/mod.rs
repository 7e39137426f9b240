//! Keys.

pub(super) mod create;
pub(super) mod credits;
pub(super) mod holdings;
pub(super) mod migrate;
pub(super) mod update;
pub(super) mod verify;

use countersign_protocol::{Secret, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::operation::{Context, Reply};
use super::refusal::UnkeyRefusal;
use super::view::KeyView;
use crate::api_keys::{self, ApiKey, ApiKeyState, Permission, find_presented};
use crate::http::manage::reachable_key;
use crate::management::Right;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct KeyName {
    key_id: String,
    #[serde(default)]
    decrypt: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyText {
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Deletion {
    key_id: String,
    #[serde(default)]
    permanent: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Reroll {
    key_id: String,
    /// Milliseconds.
    expiration: u64,
}

pub(super) async fn get(context: Context, body: KeyName) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::KeysRead)?;
    read_only(body.decrypt, "decrypt")?;
    let found = find(&context, &body.key_id).await?;
    Ok(Reply::of(&KeyView::of(&context.app, &found).await?))
}

/// Whose key a text is.
pub(super) async fn whoami(context: Context, body: KeyText) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::KeysRead)?;
    let text = Secret::new(body.key);
    let unknown = || UnkeyRefusal::not_found("API key", "that was presented");
    let found = find_presented(&context.app, text.expose(), None).await?.ok_or_else(unknown)?;
    let key = find(&context, found.key.id.as_str()).await.map_err(|_| unknown())?;
    Ok(Reply::of(&KeyView::of(&context.app, &key).await?))
}

/// Unkey keeps a key that is not deleted permanently for the record: so does revoking.
pub(super) async fn delete(context: Context, body: Deletion) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::KeysWrite)?;
    let found = find(&context, &body.key_id).await?;
    if body.permanent {
        api_keys::delete(&context.app, &context.actor(), &found.id, None).await?;
    } else {
        api_keys::revoke(&context.app, &context.actor(), &found.id).await?;
    }
    Ok(Reply::empty())
}

/// A new secret for the same key: its id stays, and so does what is counted of it.
pub(super) async fn reroll(context: Context, body: Reroll) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::KeysWrite)?;
    let found = find(&context, &body.key_id).await?;
    let overlap_seconds = i64::try_from(body.expiration.div_ceil(1_000)).unwrap_or(i64::MAX);
    let rotated = api_keys::rotate(&context.app, &context.actor(), &found.id, overlap_seconds).await?;
    Ok(Reply::of(&json!({ "keyId": rotated.key.id.as_str(), "key": rotated.text.expose() })))
}

/// A key that the caller may know of, and that is not revoked: such a one is deleted here.
async fn find(context: &Context, id: &str) -> Result<ApiKey, UnkeyRefusal> {
    let found = reachable_key(&context.app, &context.caller, id).await?;
    if found.state(context.app.clock.now()) == ApiKeyState::Revoked {
        return Err(UnkeyRefusal::not_found("API key", id));
    }
    Ok(found)
}

/// A key is stored as a hash: nobody reads it again.
pub(super) fn read_only(wanted: bool, member: &str) -> Result<(), UnkeyRefusal> {
    if wanted { Err(UnkeyRefusal::member(member, "false: a key is kept as a hash and never shown again")) } else { Ok(()) }
}

fn permissions(slugs: &[String]) -> Result<Vec<Permission>, UnkeyRefusal> {
    let parse = |slug: &String| Permission::parse(slug).map_err(|error| UnkeyRefusal::member("permissions", error.to_string()));
    slugs.iter().map(parse).collect()
}

fn end(expires: Option<i64>) -> Option<Timestamp> {
    expires.map(Timestamp::from_millis)
}
