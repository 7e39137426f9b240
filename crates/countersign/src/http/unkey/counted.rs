//! Limits and credits in Unkey's words: durations in milliseconds.

use serde::{Deserialize, Serialize};

use super::body::present;
use super::refusal::UnkeyRefusal;
use crate::api_keys::{LimitAsk, LimitStanding};
use crate::counters::{Credits, LimitRule, OnUnreachable, Refill};

/// Milliseconds of a second, in which windows are counted.
const SECOND: u64 = 1_000;

/// A limit that is given to a key or an identity.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RateLimit {
    name: String,
    limit: u32,
    duration: u64,
    #[serde(default)]
    auto_apply: bool,
}

/// What a verification takes of a limit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateLimitAsk {
    name: String,
    cost: Option<u64>,
    limit: Option<u32>,
    duration: Option<u64>,
}

/// A limit as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RateLimitView {
    id: String,
    name: String,
    limit: u32,
    duration: u64,
    auto_apply: bool,
}

/// How a limit stands after a verification.
#[derive(Serialize)]
pub(super) struct StandingView {
    #[serde(flatten)]
    rule: RateLimitView,
    exceeded: bool,
    remaining: u64,
    reset: i64,
}

/// Credits, as they are given and shown. `remaining` is null where they are not counted.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreditsBody {
    remaining: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refill: Option<RefillBody>,
}

/// What of a key's credits is to change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreditsUpdate {
    #[serde(default, deserialize_with = "present")]
    remaining: Option<Option<i64>>,
    #[serde(default, deserialize_with = "present")]
    refill: Option<Option<RefillBody>>,
}

/// How credits come back.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RefillBody {
    interval: Interval,
    amount: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refill_day: Option<u8>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Interval {
    Daily,
    Monthly,
}

impl RateLimit {
    fn rule(self) -> Result<LimitRule, UnkeyRefusal> {
        rule(self.name, self.limit, self.duration, self.auto_apply).map_err(named)
    }
}

/// The limits that a key or an identity is to have.
pub(super) fn rules(limits: Vec<RateLimit>) -> Result<Vec<LimitRule>, UnkeyRefusal> {
    limits.into_iter().map(RateLimit::rule).collect()
}

/// A limit of so much in so many milliseconds, rounded up to a second.
///
/// # Errors
/// What is accepted instead.
pub(super) fn rule(name: String, limit: u32, duration: u64, auto_apply: bool) -> Result<LimitRule, String> {
    if duration < SECOND {
        return Err(format!("a `duration` of {SECOND} milliseconds or more"));
    }
    let duration_seconds = u32::try_from(duration.div_ceil(SECOND)).unwrap_or(u32::MAX);
    let rule = LimitRule { name, limit, duration_seconds, auto_apply, on_unreachable: OnUnreachable::default() };
    rule.check().map_err(|error| error.to_string())?;
    Ok(rule)
}

fn named(accepted: String) -> UnkeyRefusal {
    UnkeyRefusal::member("ratelimits", accepted)
}

impl RateLimitAsk {
    pub(super) fn ask(self) -> Result<LimitAsk, UnkeyRefusal> {
        let otherwise = match (self.limit, self.duration) {
            (None, None) => None,
            (Some(limit), Some(duration)) => Some(rule(self.name.clone(), limit, duration, false).map_err(named)?),
            (Some(_), None) | (None, Some(_)) => {
                return Err(UnkeyRefusal::member("ratelimits", "`limit` and `duration` together, or neither"));
            }
        };
        Ok(LimitAsk { name: self.name, cost: self.cost.unwrap_or(1), otherwise })
    }
}

impl RateLimitView {
    /// A limit of whom this id names.
    pub(super) fn of(owner: &str, rule: &LimitRule) -> Self {
        Self {
            id: format!("rl_{owner}.{}", rule.name),
            name: rule.name.clone(),
            limit: rule.limit,
            duration: u64::from(rule.duration_seconds) * SECOND,
            auto_apply: rule.auto_apply,
        }
    }
}

impl StandingView {
    pub(super) fn of(key: &str, client: &str, standing: &LimitStanding) -> Self {
        let LimitStanding { rule, is_of_client, answer } = standing;
        Self {
            rule: RateLimitView::of(if *is_of_client { client } else { key }, rule),
            exceeded: answer.exceeded,
            remaining: answer.remaining,
            reset: answer.reset_at.as_millis(),
        }
    }
}

impl CreditsBody {
    pub(super) fn of(credits: &Credits) -> Self {
        Self { remaining: Some(credits.remaining), refill: credits.refill.map(RefillBody::of) }
    }

    /// Those of a key whose credits are not counted.
    pub(super) const fn unlimited() -> Self {
        Self { remaining: None, refill: None }
    }

    /// The credits of a new key; `None`: they are not counted.
    pub(super) fn checked(self) -> Result<Option<Credits>, UnkeyRefusal> {
        let refill = self.refill.map(RefillBody::checked).transpose()?;
        match (self.remaining, refill) {
            (Some(remaining), refill) => Ok(Some(Credits { remaining, refill })),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(refilled_without_bound()),
        }
    }
}

/// What becomes of a key's credits.
pub(super) enum CreditsPatch {
    /// They stay.
    Keep,
    /// How they come back; what is spent meanwhile is spent.
    Refill(Option<Refill>),
    /// All of them; `None`: they are not counted.
    Set(Option<Credits>),
}

impl CreditsUpdate {
    /// What it changes of these credits.
    pub(super) fn patch(self, current: Option<Credits>) -> Result<CreditsPatch, UnkeyRefusal> {
        let refill = self.refill.map(|refill| refill.map(RefillBody::checked).transpose()).transpose()?;
        match (self.remaining, refill) {
            (None, None) => Ok(CreditsPatch::Keep),
            (None, Some(_)) if current.is_none() => {
                Err(UnkeyRefusal::member("credits", "`remaining` too: the key's credits are not counted"))
            }
            (None, Some(refill)) => Ok(CreditsPatch::Refill(refill)),
            (Some(None), Some(Some(_))) => Err(refilled_without_bound()),
            (Some(None), Some(None) | None) => Ok(CreditsPatch::Set(None)),
            (Some(Some(remaining)), refill) => {
                let refill = refill.unwrap_or_else(|| current.and_then(|current| current.refill));
                Ok(CreditsPatch::Set(Some(Credits { remaining, refill })))
            }
        }
    }
}

impl RefillBody {
    fn of(refill: Refill) -> Self {
        match refill {
            Refill::Daily { amount } => Self { interval: Interval::Daily, amount, refill_day: None },
            Refill::Monthly { amount, day } => Self { interval: Interval::Monthly, amount, refill_day: Some(day) },
        }
    }

    fn checked(self) -> Result<Refill, UnkeyRefusal> {
        match (self.interval, self.refill_day) {
            (Interval::Daily, None) => Ok(Refill::Daily { amount: self.amount }),
            (Interval::Daily, Some(_)) => Err(UnkeyRefusal::member("credits", "no `refillDay` where `interval` is daily")),
            (Interval::Monthly, day) => Ok(Refill::Monthly { amount: self.amount, day: day.unwrap_or(1) }),
        }
    }
}

fn refilled_without_bound() -> UnkeyRefusal {
    UnkeyRefusal::member("credits", "no `refill` where `remaining` is null")
}
