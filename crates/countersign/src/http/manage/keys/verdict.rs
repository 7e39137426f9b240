//! What a verification finds, as it is told.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api_keys::{ApiKey, Verdict};
use crate::app::App;
use crate::http::manage::time::rfc3339;

/// A verdict on a key. Of one that is not found there is no more than the code.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyVerdict)]
pub(in crate::http::manage) struct VerdictView {
    /// Whether the request may go on
    valid: bool,
    /// `VALID`, `NOT_FOUND`, `DISABLED`, `EXPIRED`, `REVOKED`, `INSUFFICIENT_PERMISSIONS` or
    /// `FORBIDDEN`
    code: &'static str,
    #[serde(flatten)]
    key: Option<VerifiedKeyView>,
}

/// Whose key it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VerifiedKey)]
struct VerifiedKeyView {
    /// The id of the key
    key_id: String,
    /// The id of the secret that was presented, safe to log
    secret_id: Option<String>,
    /// The client that it is a key of
    client_id: String,
    /// The resource server that it is for
    resource_server_id: String,
    /// The audience of the resource server
    audience: Option<String>,
    /// The key's name
    name: String,
    /// What the key's owner calls it elsewhere
    external_id: Option<String>,
    /// What the key's owner wants to know of it
    metadata: Map<String, Value>,
    /// What it may do: its own permissions and those of its roles
    permissions: Vec<String>,
    /// Names of its roles
    roles: Vec<String>,
    /// RFC 3339; not valid from then on
    expires_at: Option<String>,
    /// For how long who follows `/manage/v1/keys/changes` may remember the verdict; 0: not at all
    max_age_seconds: i64,
    /// Up to where in that feed the verdict takes account of every change; null: not known
    position: Option<i64>,
    /// Another address might get another verdict
    is_for_address: bool,
}

/// The answer about one key, or about several.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = KeyVerdicts)]
pub(in crate::http::manage) enum VerificationView {
    /// About the one key.
    One(Box<VerdictView>),
    /// About each of `keys`, in their order.
    Several {
        /// The verdicts
        verdicts: Vec<VerdictView>,
    },
}

impl VerdictView {
    pub(super) fn of(app: &App, verdict: &Verdict) -> Self {
        Self {
            valid: verdict.is_valid(),
            code: verdict.code.as_str(),
            key: verdict.key.as_deref().map(|key| VerifiedKeyView::of(app, key, verdict)),
        }
    }
}

impl VerifiedKeyView {
    fn of(app: &App, key: &ApiKey, verdict: &Verdict) -> Self {
        let catalog = app.catalog();
        let resource_server = catalog.resource_server(&key.resource_server_id);
        Self {
            key_id: key.id.to_string(),
            secret_id: verdict.secret_id.clone(),
            client_id: key.client_id.to_string(),
            resource_server_id: key.resource_server_id.to_string(),
            audience: resource_server.map(|found| found.audience.to_string()),
            name: key.name.clone(),
            external_id: key.external_id.clone(),
            metadata: key.metadata.clone(),
            permissions: verdict.permissions.iter().map(ToString::to_string).collect(),
            roles: key.roles.clone(),
            expires_at: key.expires_at.map(rfc3339),
            max_age_seconds: verdict.max_age_seconds(app.clock.now()),
            position: verdict.position,
            is_for_address: verdict.is_for_address(),
        }
    }
}
