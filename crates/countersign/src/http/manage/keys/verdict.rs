//! What a verification finds, as it is told.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api_keys::{ApiKey, LimitStanding, Verdict};
use crate::app::App;
use crate::counters::CountedIn;
use crate::http::manage::time::rfc3339;

/// A verdict on a key. Of one that is not found there is no more than the code.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyVerdict)]
pub(in crate::http::manage) struct VerdictView {
    /// Whether the request may go on
    valid: bool,
    /// `VALID`, `NOT_FOUND`, `DISABLED`, `EXPIRED`, `REVOKED`, `FORBIDDEN`,
    /// `INSUFFICIENT_PERMISSIONS`, `RATE_LIMITED` or `USAGE_EXCEEDED`
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
    /// What it may do: its own permissions, those of its client, and those of both's roles
    permissions: Vec<String>,
    /// Names of its roles
    roles: Vec<String>,
    /// The limits that were asked
    limits: Vec<LimitStandingView>,
    /// How many credits are left; null: not counted, or not asked for
    credits: Option<i64>,
    /// RFC 3339; not valid from then on
    expires_at: Option<String>,
}

/// How a limit stands after the verification. Nothing is taken unless the key is valid.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LimitStanding)]
struct LimitStandingView {
    /// Its name
    name: String,
    /// Whose it is: `key`, or `client`: all keys of the client share it
    of: &'static str,
    /// Most that a window holds
    limit: u32,
    /// What is left of this window
    remaining: u64,
    /// RFC 3339; when the window ends
    reset_at: String,
    /// Whether it had no room
    exceeded: bool,
    /// `everywhere`; where the shared counters could not be reached: by `this_node` alone, or
    /// `nowhere`
    counted: &'static str,
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
            limits: verdict.limits.iter().map(LimitStandingView::of).collect(),
            credits: verdict.credits,
            expires_at: key.expires_at.map(rfc3339),
        }
    }
}

impl LimitStandingView {
    fn of(LimitStanding { rule, is_of_client, answer }: &LimitStanding) -> Self {
        Self {
            name: rule.name.clone(),
            of: if *is_of_client { "client" } else { "key" },
            limit: answer.limit,
            remaining: answer.remaining,
            reset_at: rfc3339(answer.reset_at),
            exceeded: answer.exceeded,
            counted: match answer.counted {
                CountedIn::Everywhere => "everywhere",
                CountedIn::ThisProcess => "this_node",
                CountedIn::Nowhere => "nowhere",
            },
        }
    }
}
