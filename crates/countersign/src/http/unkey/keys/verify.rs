//! `keys.verifyKey`: 200 whatever the verdict.

use countersign_protocol::{Secret, Timestamp};
use serde::Deserialize;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api_keys::{self, KeyAudience, PermissionExpression, Verdict, VerdictCode, VerifyRequest};
use crate::counters::MAX_RULES;
use crate::http::unkey::counted::{RateLimitAsk, StandingView};
use crate::http::unkey::operation::{Context, Reply};
use crate::http::unkey::refusal::UnkeyRefusal;
use crate::http::unkey::view::{IdentityView, name_of};
use crate::ids::ResourceServerId;
use crate::management::Right;
use crate::usage::check_tags;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::http::unkey) struct Question {
    key: String,
    /// What older versions asked for: the API that the key must be for.
    api_id: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    permissions: Option<String>,
    credits: Option<Cost>,
    #[serde(default)]
    ratelimits: Vec<RateLimitAsk>,
    /// Keys that were brought along are found without being told whose they were.
    #[serde(rename = "migrationId")]
    _migration_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cost {
    cost: u64,
}

/// A verdict.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerdictView {
    valid: bool,
    code: &'static str,
    #[serde(flatten)]
    key: Option<VerifiedKeyView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerifiedKeyView {
    key_id: String,
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    meta: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    permissions: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credits: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ratelimits: Vec<StandingView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<IdentityView>,
}

pub(in crate::http::unkey) async fn verify(context: Context, body: Question) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::KeysVerify)?;
    if body.ratelimits.len() > MAX_RULES {
        return Err(UnkeyRefusal::member("ratelimits", format!("at most {MAX_RULES}")));
    }
    check_tags(&body.tags).map_err(|error| UnkeyRefusal::member("tags", error.accepted))?;
    let expression = body.permissions.as_deref().map(PermissionExpression::parse).transpose();
    let request = VerifyRequest {
        key: Secret::new(body.key),
        permissions: expression.map_err(|error| UnkeyRefusal::member("permissions", error.to_string()))?,
        address: None,
        resource_server: body.api_id.map(|id| KeyAudience::ResourceServer(ResourceServerId::from_stored(&id))),
        limits: body.ratelimits.into_iter().map(RateLimitAsk::ask).collect::<Result<_, _>>()?,
        cost: body.credits.map_or(1, |credits| credits.cost),
        tags: body.tags,
        organization: context.organization(),
    };
    let verdict = api_keys::verify(&context.app, request).await?;
    Ok(Reply::of(&VerdictView::of(&context, &verdict).await?))
}

impl VerdictView {
    async fn of(context: &Context, verdict: &Verdict) -> Result<Self, UnkeyRefusal> {
        let now = context.app.clock.now();
        let Some(key) = verdict.key.as_deref().filter(|_| !is_gone(verdict, now)) else {
            return Ok(Self { valid: false, code: VerdictCode::NotFound.as_str(), key: None });
        };
        let standing = |limit| StandingView::of(key.id.as_str(), key.client_id.as_str(), limit);
        let client = context.app.find_client(&key.client_id).await?;
        let shown = VerifiedKeyView {
            key_id: key.id.to_string(),
            enabled: key.disabled_at.is_none(),
            name: name_of(key),
            meta: key.metadata.clone(),
            expires: key.expires_at.map(Timestamp::as_millis),
            permissions: verdict.permissions.iter().map(ToString::to_string).collect(),
            roles: key.roles.clone(),
            credits: verdict.credits,
            ratelimits: verdict.limits.iter().map(standing).collect(),
            identity: client.as_deref().and_then(IdentityView::of),
        };
        Ok(Self { valid: verdict.is_valid(), code: verdict.code.as_str(), key: Some(shown) })
    }
}

/// Unkey deletes what is revoked here, and a key that was rerolled is another key there.
fn is_gone(verdict: &Verdict, now: Timestamp) -> bool {
    let Some(key) = &verdict.key else { return true };
    let presented = key.secrets.iter().find(|secret| Some(&secret.id) == verdict.secret_id.as_ref());
    match verdict.code {
        VerdictCode::Revoked | VerdictCode::NotFound => true,
        VerdictCode::Expired => presented.is_some_and(|secret| secret.rotated_at.is_some() && !secret.is_live(now)),
        VerdictCode::Valid
        | VerdictCode::Disabled
        | VerdictCode::Forbidden
        | VerdictCode::InsufficientPermissions
        | VerdictCode::RateLimited
        | VerdictCode::UsageExceeded => false,
    }
}
