//! What is asked for of a key.

use countersign_protocol::{ClientId, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api_keys::{ApiKeyPatch, NewApiKey, Permission};
use crate::change::InvalidField;
use crate::config::Network;
use crate::http::manage::body::{given, present};
use crate::http::manage::limits::{CreditsBody, LimitBody, limits};
use crate::http::manage::time::parse;
use crate::ids::ResourceServerId;

/// How long an old secret is accepted on unless the caller says otherwise.
const DEFAULT_OVERLAP_SECONDS: i64 = 86_400;

/// What a new key is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKey)]
pub(in crate::http::manage) struct NewKeyBody {
    /// For people: 1 to 200 characters
    name: String,
    /// The client that it is a key of
    client_id: String,
    /// The resource server that it is for
    resource_server_id: String,
    /// What the key begins with: 1 to 16 letters, digits and `_` [default: key]
    #[serde(default)]
    prefix: Option<String>,
    /// What its owner calls it elsewhere: 1 to 200 characters
    #[serde(default)]
    external_id: Option<String>,
    /// What its owner wants to know of it: at most 4,096 bytes of JSON
    #[serde(default)]
    metadata: Map<String, Value>,
    /// What it may do besides what its roles may: `[A-Za-z0-9_:.\-*]{1,128}`
    #[serde(default)]
    permissions: Vec<String>,
    /// Names of roles
    #[serde(default)]
    roles: Vec<String>,
    /// Networks (CIDR) that it may be used from; empty: from everywhere
    #[serde(default)]
    allowed_networks: Vec<String>,
    /// How much it may be used in a time: at most 50, besides those of its client
    #[serde(default)]
    limits: Vec<LimitBody>,
    /// How often it may be used; null: without a bound
    #[serde(default)]
    credits: Option<CreditsBody>,
    /// RFC 3339; not valid from then on
    #[serde(default)]
    expires_at: Option<String>,
}

/// What of a key is to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyPatch)]
pub(in crate::http::manage) struct KeyPatchBody {
    /// For people: 1 to 200 characters
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    name: Option<String>,
    /// What its owner calls it elsewhere; null clears
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    external_id: Option<Option<String>>,
    /// Replaces all of it; null clears
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Map<String, Value>>)]
    metadata: Option<Option<Map<String, Value>>>,
    /// Replaces all of its own; null clears
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>)]
    permissions: Option<Option<Vec<String>>>,
    /// Replaces all of them; null clears
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>)]
    roles: Option<Option<Vec<String>>>,
    /// Replaces all of them; null: from everywhere
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>)]
    allowed_networks: Option<Option<Vec<String>>>,
    /// Replaces all of them; null clears
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<LimitBody>>)]
    limits: Option<Option<Vec<LimitBody>>>,
    /// How often it may be used from now on; null: without a bound
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<CreditsBody>)]
    credits: Option<Option<CreditsBody>>,
    /// RFC 3339; null clears
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    expires_at: Option<Option<String>>,
}

/// How a key is to get a new secret.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyRotation)]
pub(in crate::http::manage) struct RotationBody {
    /// How long the old secret is accepted on: 0 to 2,592,000 [default: 86400]
    #[serde(default)]
    overlap_seconds: Option<i64>,
}

impl NewKeyBody {
    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(super) fn checked(self, client_id: ClientId) -> Result<NewApiKey, InvalidField> {
        Ok(NewApiKey {
            client_id,
            resource_server_id: ResourceServerId::from_stored(&self.resource_server_id),
            name: self.name,
            prefix: self.prefix,
            external_id: self.external_id,
            metadata: self.metadata,
            permissions: permissions(&self.permissions)?,
            roles: self.roles,
            allowed_networks: networks(&self.allowed_networks)?,
            limits: limits(self.limits)?,
            credits: self.credits.map(CreditsBody::checked).transpose()?,
            expires_at: time(self.expires_at)?,
        })
    }
}

impl KeyPatchBody {
    pub(super) fn checked(self) -> Result<ApiKeyPatch, InvalidField> {
        Ok(ApiKeyPatch {
            client_id: None,
            name: self.name,
            external_id: self.external_id,
            metadata: self.metadata.map(Option::unwrap_or_default),
            permissions: self.permissions.map(|all| permissions(&all.unwrap_or_default())).transpose()?,
            roles: self.roles.map(Option::unwrap_or_default),
            allowed_networks: self.allowed_networks.map(|all| networks(&all.unwrap_or_default())).transpose()?,
            limits: self.limits.map(|all| limits(all.unwrap_or_default())).transpose()?,
            credits: self.credits.map(|given| given.map(CreditsBody::checked).transpose()).transpose()?,
            expires_at: self.expires_at.map(time).transpose()?,
        })
    }
}

impl RotationBody {
    pub(super) fn overlap_seconds(&self) -> i64 {
        self.overlap_seconds.unwrap_or(DEFAULT_OVERLAP_SECONDS)
    }
}

/// Reads a list of permissions.
pub(in crate::http::manage) fn permissions(names: &[String]) -> Result<Vec<Permission>, InvalidField> {
    let parse = |name: &String| {
        Permission::parse(name).map_err(|error| InvalidField::new("permissions", name.escape_debug(), error.to_string()))
    };
    names.iter().map(parse).collect()
}

/// Reads a list of networks.
pub(in crate::http::manage) fn networks(texts: &[String]) -> Result<Vec<Network>, InvalidField> {
    let accepted = "a network as 203.0.113.0/24 or 2001:db8::/32";
    let parse = |text: &String| {
        Network::from_text(text).ok_or_else(|| InvalidField::new("allowed_networks", text.escape_debug(), accepted))
    };
    texts.iter().map(parse).collect()
}

fn time(text: Option<String>) -> Result<Option<Timestamp>, InvalidField> {
    let Some(text) = text else { return Ok(None) };
    let accepted = "a time as 2027-01-31T12:00:00Z";
    parse(&text).map(Some).ok_or_else(|| InvalidField::new("expires_at", text.escape_debug(), accepted))
}
