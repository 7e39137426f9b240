//! What a verification finds, as it is told.

use countersign_protocol::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api_keys::{ApiKey, LimitStanding, Permission, Verdict};
use crate::catalog::Catalog;
use crate::counters::CountedIn;
use crate::http::manage::time::rfc3339;

/// A verdict on a key. Of one that is not found there is no more than the code.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyVerdict)]
pub(in crate::http::manage) struct VerdictView<'a> {
    /// Whether the request may go on
    valid: bool,
    /// `VALID`, `NOT_FOUND`, `DISABLED`, `EXPIRED`, `REVOKED`, `FORBIDDEN`,
    /// `INSUFFICIENT_PERMISSIONS`, `RATE_LIMITED` or `USAGE_EXCEEDED`
    code: &'static str,
    #[serde(flatten)]
    key: Option<VerifiedKeyView<'a>>,
}

/// Whose key it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VerifiedKey)]
struct VerifiedKeyView<'a> {
    /// The id of the key
    key_id: &'a str,
    /// The id of the secret that was presented, safe to log
    secret_id: Option<&'a str>,
    /// The client that it is a key of
    client_id: &'a str,
    /// The resource server that it is for
    resource_server_id: &'a str,
    /// The audience of the resource server
    audience: Option<&'a str>,
    /// The key's name
    name: &'a str,
    /// What the key's owner calls it elsewhere
    external_id: Option<&'a str>,
    /// What the key's owner wants to know of it
    metadata: &'a Map<String, Value>,
    /// What it may do: its own permissions, those of its client, and those of both's roles
    permissions: Vec<&'a str>,
    /// Names of its roles
    roles: &'a [String],
    /// The limits that were asked
    limits: Vec<LimitStandingView<'a>>,
    /// How many credits are left; null: not counted, or not asked for
    credits: Option<i64>,
    /// RFC 3339; not valid from then on
    expires_at: Option<String>,
    /// For how long who follows `/manage/v1/keys/changes` may remember the verdict; 0: not at all
    max_age_seconds: i64,
    /// Up to where in that feed the verdict takes account of every change; null: not known
    position: Option<i64>,
    /// Another address might get another verdict
    is_for_address: bool,
    /// Of `RATE_LIMITED` and `USAGE_EXCEEDED`: after how long it is worth another try
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
}

/// How a limit stands after the verification. Nothing is taken unless the key is valid.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LimitStanding)]
struct LimitStandingView<'a> {
    /// Its name
    name: &'a str,
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
pub(in crate::http::manage) enum VerificationView<'a> {
    /// About the one key.
    One(Box<VerdictView<'a>>),
    /// About each of `keys`, in their order.
    Several {
        /// The verdicts
        verdicts: Vec<VerdictView<'a>>,
    },
}

impl<'a> VerdictView<'a> {
    pub(super) fn of(catalog: &'a Catalog, verdict: &'a Verdict, now: Timestamp) -> Self {
        Self {
            valid: verdict.is_valid(),
            code: verdict.code.as_str(),
            key: verdict.key.as_deref().map(|key| VerifiedKeyView::of(catalog, (key, verdict), now)),
        }
    }
}

impl<'a> VerifiedKeyView<'a> {
    fn of(catalog: &'a Catalog, (key, verdict): (&'a ApiKey, &'a Verdict), now: Timestamp) -> Self {
        let resource_server = catalog.resource_server(&key.resource_server_id);
        Self {
            key_id: key.id.as_str(),
            secret_id: verdict.secret_id.as_deref(),
            client_id: key.client_id.as_str(),
            resource_server_id: key.resource_server_id.as_str(),
            audience: resource_server.map(|found| found.audience.as_str()),
            name: &key.name,
            external_id: key.external_id.as_deref(),
            metadata: &key.metadata,
            permissions: verdict.permissions.iter().map(Permission::as_str).collect(),
            roles: &key.roles,
            limits: verdict.limits.iter().map(LimitStandingView::of).collect(),
            credits: verdict.credits,
            expires_at: key.expires_at.map(rfc3339),
            max_age_seconds: verdict.max_age_seconds(now),
            position: verdict.position,
            is_for_address: verdict.is_for_address,
            retry_after_seconds: Some(verdict.retry_after_seconds(now)).filter(|seconds| *seconds > 0),
        }
    }
}

impl<'a> LimitStandingView<'a> {
    fn of(LimitStanding { rule, is_of_client, answer }: &'a LimitStanding) -> Self {
        Self {
            name: &rule.name,
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
