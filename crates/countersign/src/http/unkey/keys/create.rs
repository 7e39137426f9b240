//! `keys.createKey`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{end, permissions, read_only};
use crate::api_keys::{self, NewApiKey};
use crate::http::manage::reachable_resource_server;
use crate::http::unkey::counted::{CreditsBody, RateLimit, rules};
use crate::http::unkey::operation::{Context, Reply};
use crate::http::unkey::owner::owner;
use crate::http::unkey::refusal::UnkeyRefusal;
use crate::http::unkey::view::UNNAMED;
use crate::management::Right;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::http::unkey) struct NewKey {
    api_id: String,
    prefix: Option<String>,
    name: Option<String>,
    /// A secret has 32 bytes, whatever is asked for.
    byte_length: Option<u16>,
    external_id: Option<String>,
    #[serde(default)]
    meta: Map<String, Value>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default, rename = "permissions")]
    slugs: Vec<String>,
    /// Milliseconds since the epoch.
    expires: Option<i64>,
    credits: Option<CreditsBody>,
    #[serde(default)]
    ratelimits: Vec<RateLimit>,
    enabled: Option<bool>,
    #[serde(default)]
    recoverable: bool,
}

pub(in crate::http::unkey) async fn create(context: Context, body: NewKey) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::KeysWrite)?;
    read_only(body.recoverable, "recoverable")?;
    if body.byte_length.is_some_and(|length| !(16..=255).contains(&length)) {
        return Err(UnkeyRefusal::member("byteLength", "16 to 255; a key has 32 random bytes in any case"));
    }
    let permissions = permissions(&body.slugs)?;
    let limits = rules(body.ratelimits)?;
    let credits = body.credits.map(CreditsBody::checked).transpose()?.flatten();
    let resource_server_id = reachable_resource_server(&context.caller, &body.api_id)?;
    if context.app.catalog().resource_server(&resource_server_id).is_none() {
        return Err(UnkeyRefusal::not_found("API", &body.api_id));
    }
    let new = NewApiKey {
        client_id: owner(&context, body.external_id.as_deref()).await?,
        resource_server_id,
        name: body.name.unwrap_or_else(|| UNNAMED.to_owned()),
        prefix: body.prefix.filter(|prefix| !prefix.is_empty()),
        external_id: None,
        metadata: body.meta,
        permissions,
        roles: body.roles,
        allowed_networks: Vec::new(),
        limits,
        credits,
        expires_at: end(body.expires),
    };
    let made = api_keys::create(&context.app, &context.actor(), new).await?;
    // Nobody knows the key before it is answered.
    if body.enabled == Some(false) {
        api_keys::disable(&context.app, &context.actor(), &made.key.id).await?;
    }
    Ok(Reply::of(&json!({ "keyId": made.key.id.as_str(), "key": made.text.expose() })))
}
