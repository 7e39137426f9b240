//! What is shown of a key.

use countersign_protocol::{CredentialText, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api_keys::{ApiKey, ApiKeySecret, RotatedApiKey};
use crate::app::App;
use crate::http::manage::limits::{CreditsBody, LimitBody};
use crate::http::manage::time::rfc3339;

/// An API key. The key itself is shown when it is made, and never again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(in crate::http::manage) struct KeyView {
    /// Its id, which no rotation changes
    id: String,
    /// For people
    name: String,
    /// The client that it is a key of
    client_id: String,
    /// The resource server that it is for
    resource_server_id: String,
    /// The audience of the resource server
    audience: Option<String>,
    /// What the key begins with
    prefix: String,
    /// What its owner calls it elsewhere
    external_id: Option<String>,
    /// What its owner wants to know of it
    metadata: Map<String, Value>,
    /// What it may do besides what its roles may
    permissions: Vec<String>,
    /// Names of its roles
    roles: Vec<String>,
    /// Networks that it may be used from; empty: from everywhere
    allowed_networks: Vec<String>,
    /// How much it may be used in a time, besides the limits of its client
    limits: Vec<LimitBody>,
    /// How often it may be used yet; null: without a bound
    credits: Option<CreditsBody>,
    /// `active`, `disabled`, `expired` or `revoked`
    state: &'static str,
    /// Its secrets, the newest last
    secrets: Vec<KeySecretView>,
    /// RFC 3339; not valid from then on
    expires_at: Option<String>,
    /// RFC 3339; null unless it is disabled
    disabled_at: Option<String>,
    /// RFC 3339; null unless it is revoked
    revoked_at: Option<String>,
    /// RFC 3339
    created_at: String,
    /// Who created it
    created_by: String,
    /// RFC 3339
    updated_at: String,
}

/// One secret of a key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKeySecret)]
struct KeySecretView {
    /// Its id; of a key made here, 12 characters of the key, safe to log
    id: String,
    /// What the key begins with, as far as that is safe to show
    start: String,
    /// `active`, `rotated` or `expired`
    state: &'static str,
    /// RFC 3339; of a rotated one: how long it is accepted on
    expires_at: Option<String>,
    /// RFC 3339; null unless it was rotated
    rotated_at: Option<String>,
    /// RFC 3339
    created_at: String,
    /// Its last use, a few seconds late
    last_used: Option<KeyUseView>,
}

/// A use of a secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKeyUse)]
struct KeyUseView {
    /// RFC 3339
    at: String,
    /// Where the end caller was, if that was told
    source_address: Option<String>,
}

/// A new key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedApiKey)]
pub(in crate::http::manage) struct CreatedKeyView {
    #[serde(flatten)]
    shown: KeyView,
    /// The key itself
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// A key with its new secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RotatedApiKey)]
pub(in crate::http::manage) struct RotatedKeyView {
    #[serde(flatten)]
    shown: KeyView,
    /// The key's new text
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// RFC 3339; how long the old text is accepted on
    previous_expires_at: String,
}

impl KeyView {
    pub(super) fn of(app: &App, key: &ApiKey) -> Self {
        let (catalog, now) = (app.catalog(), app.clock.now());
        let resource_server = catalog.resource_server(&key.resource_server_id);
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            client_id: key.client_id.to_string(),
            resource_server_id: key.resource_server_id.to_string(),
            audience: resource_server.map(|found| found.audience.to_string()),
            prefix: key.prefix.to_string(),
            external_id: key.external_id.clone(),
            metadata: key.metadata.clone(),
            permissions: key.permissions.iter().map(ToString::to_string).collect(),
            roles: key.roles.clone(),
            allowed_networks: key.allowed_networks.iter().map(ToString::to_string).collect(),
            limits: key.limits.iter().map(LimitBody::of).collect(),
            credits: key.credits.map(|credits| CreditsBody::of(&credits.at(now))),
            state: key.state(now).as_str(),
            secrets: key.secrets.iter().map(|secret| KeySecretView::of(secret, now)).collect(),
            expires_at: key.expires_at.map(rfc3339),
            disabled_at: key.disabled_at.map(rfc3339),
            revoked_at: key.revoked_at.map(rfc3339),
            created_at: rfc3339(key.created_at),
            created_by: key.created_by.clone(),
            updated_at: rfc3339(key.updated_at),
        }
    }
}

impl KeySecretView {
    fn of(secret: &ApiKeySecret, now: Timestamp) -> Self {
        let state = match (secret.expires_at, secret.rotated_at) {
            (Some(end), _) if end <= now => "expired",
            (_, Some(_)) => "rotated",
            (_, None) => "active",
        };
        Self {
            id: secret.id.to_string(),
            start: secret.start.clone(),
            state,
            expires_at: secret.expires_at.map(rfc3339),
            rotated_at: secret.rotated_at.map(rfc3339),
            created_at: rfc3339(secret.created_at),
            last_used: secret.last_use.map(|used| KeyUseView {
                at: rfc3339(used.used_at),
                source_address: used.source.map(|address| address.to_string()),
            }),
        }
    }
}

impl CreatedKeyView {
    pub(super) fn of(app: &App, key: &ApiKey, text: &CredentialText) -> Self {
        Self { shown: KeyView::of(app, key), key: Some(text.expose().clone()) }
    }
}

impl RotatedKeyView {
    pub(super) fn of(app: &App, rotated: &RotatedApiKey) -> Self {
        Self {
            shown: KeyView::of(app, &rotated.key),
            key: Some(rotated.text.expose().clone()),
            previous_expires_at: rfc3339(rotated.previous_expires_at),
        }
    }
}
