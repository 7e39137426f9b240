//! `keys.updateKey`: what is absent stays, null clears, and a list replaces the list.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{end, find, permissions};
use crate::api_keys::{self, ApiKeyPatch};
use crate::counters::CreditsChange;
use crate::http::unkey::body::present;
use crate::http::unkey::counted::{CreditsPatch, CreditsUpdate, RateLimit, rules};
use crate::http::unkey::operation::{Context, Reply};
use crate::http::unkey::owner::owner;
use crate::http::unkey::refusal::UnkeyRefusal;
use crate::http::unkey::view::UNNAMED;
use crate::management::Right;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::http::unkey) struct KeyUpdate {
    key_id: String,
    #[serde(default, deserialize_with = "present")]
    name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    external_id: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    meta: Option<Option<Map<String, Value>>>,
    #[serde(default, deserialize_with = "present")]
    expires: Option<Option<i64>>,
    #[serde(default, deserialize_with = "present")]
    credits: Option<Option<CreditsUpdate>>,
    #[serde(default, deserialize_with = "present")]
    ratelimits: Option<Option<Vec<RateLimit>>>,
    enabled: Option<bool>,
    roles: Option<Vec<String>>,
    #[serde(rename = "permissions")]
    slugs: Option<Vec<String>>,
}

pub(in crate::http::unkey) async fn update(context: Context, body: KeyUpdate) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::KeysWrite)?;
    let limits = body.ratelimits.map(|limits| rules(limits.unwrap_or_default())).transpose()?;
    let found = find(&context, &body.key_id).await?;
    let current = found.credits.map(|credits| credits.at(context.app.clock.now()));
    let credits = match body.credits {
        None => CreditsPatch::Keep,
        Some(None) => CreditsPatch::Set(None),
        Some(Some(update)) => update.patch(current)?,
    };
    let client_id = match &body.external_id {
        Some(external_id) => Some(owner(&context, external_id.as_deref()).await?),
        None => None,
    };
    let patch = ApiKeyPatch {
        client_id: client_id.filter(|id| *id != found.client_id),
        name: body.name.map(|name| name.unwrap_or_else(|| UNNAMED.to_owned())),
        metadata: body.meta.map(Option::unwrap_or_default),
        permissions: body.slugs.as_deref().map(permissions).transpose()?,
        roles: body.roles,
        limits,
        credits: if let CreditsPatch::Set(credits) = credits { Some(credits) } else { None },
        expires_at: body.expires.map(end),
        ..ApiKeyPatch::default()
    };
    // A key that is to be off is not on while the rest fails.
    if body.enabled == Some(false) {
        api_keys::disable(&context.app, &context.actor(), &found.id).await?;
    }
    if !patch.is_empty() {
        api_keys::update(&context.app, &context.actor(), &found.id, patch, None).await?;
    }
    if let CreditsPatch::Refill(refill) = credits {
        api_keys::change_credits(&context.app, &context.actor(), &found.id, CreditsChange::Refill(refill)).await?;
    }
    if body.enabled == Some(true) {
        api_keys::enable(&context.app, &context.actor(), &found.id).await?;
    }
    Ok(Reply::empty())
}
