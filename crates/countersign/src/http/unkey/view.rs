//! What is shown of keys and identities. What is absent is left out, never null: Unkey's
//! libraries refuse that.

use countersign_protocol::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::counted::{CreditsBody, RateLimitView};
use super::refusal::UnkeyRefusal;
use crate::api_keys::ApiKey;
use crate::app::App;
use crate::clients::Client;

/// The name of a key that was given none: a key of ours has one.
pub(super) const UNNAMED: &str = "unnamed";

/// A key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyView {
    key_id: String,
    start: String,
    enabled: bool,
    created_at: i64,
    updated_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    meta: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    permissions: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credits: Option<CreditsBody>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ratelimits: Vec<RateLimitView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<IdentityView>,
}

/// An identity.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdentityView {
    id: String,
    external_id: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    meta: Map<String, Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ratelimits: Vec<RateLimitView>,
}

impl KeyView {
    pub(super) async fn of(app: &App, key: &ApiKey) -> Result<Self, UnkeyRefusal> {
        let client = app.find_client(&key.client_id).await?;
        let last_use = key.secrets.iter().filter_map(|secret| secret.last_use).map(|used| used.used_at).max();
        Ok(Self {
            key_id: key.id.to_string(),
            start: key.secrets.last().map(|secret| secret.start.clone()).unwrap_or_default(),
            enabled: key.disabled_at.is_none(),
            created_at: key.created_at.as_millis(),
            updated_at: key.updated_at.as_millis(),
            name: name_of(key),
            meta: key.metadata.clone(),
            last_used_at: last_use.map(Timestamp::as_millis),
            expires: key.expires_at.map(Timestamp::as_millis),
            permissions: key.permissions.iter().map(ToString::to_string).collect(),
            roles: key.roles.clone(),
            credits: key.credits.map(|credits| CreditsBody::of(&credits.at(app.clock.now()))),
            ratelimits: key.limits.iter().map(|rule| RateLimitView::of(key.id.as_str(), rule)).collect(),
            identity: client.as_deref().and_then(IdentityView::of),
        })
    }
}

impl IdentityView {
    /// `None`: the client is no identity.
    pub(super) fn of(client: &Client) -> Option<Self> {
        let external_id = client.external_id.clone()?;
        let ratelimits = client.key_policy.limits.iter().map(|rule| RateLimitView::of(client.id.as_str(), rule)).collect();
        Some(Self { id: client.id.to_string(), external_id, meta: client.metadata.clone(), ratelimits })
    }
}

/// The name that a key was given.
pub(super) fn name_of(key: &ApiKey) -> Option<String> {
    Some(key.name.clone()).filter(|name| name != UNNAMED)
}
