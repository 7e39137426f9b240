//! Limits and credits, as they are given and shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::change::InvalidField;
use crate::counters::{Credits, LimitRule, OnUnreachable, Refill};

/// So much in a window, which begins with the first request after the one before has ended.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Limit)]
pub(super) struct LimitBody {
    /// What a verification asks for it by: `[A-Za-z0-9._-]{1,128}`
    name: String,
    /// Most that a window holds, in units of cost
    limit: u32,
    /// How long a window is: 1 to 31,622,400
    duration_seconds: u32,
    /// Whether it holds for verifications that do not name it [default: true]
    #[serde(default = "applies")]
    #[schema(default = true)]
    auto_apply: bool,
    /// What happens to a verification that cannot be counted: `deny`, `allow`, or `local`: the
    /// node counts alone [default: deny]
    #[serde(default)]
    on_unreachable: Option<String>,
}

const fn applies() -> bool {
    true
}

/// How often a key may be used yet.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Credits)]
pub(super) struct CreditsBody {
    /// What is left
    remaining: i64,
    /// How they come back; null: not by themselves
    #[serde(default)]
    refill: Option<RefillBody>,
}

/// Credits are set to an amount at midnight, UTC.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Refill)]
pub(super) struct RefillBody {
    /// `daily` or `monthly`
    interval: String,
    /// What they are set to
    amount: i64,
    /// Of a month: 1 to 31; in a shorter month, its last day [default: 1]
    #[serde(default)]
    day: Option<u8>,
}

impl LimitBody {
    pub(super) fn of(rule: &LimitRule) -> Self {
        Self {
            name: rule.name.clone(),
            limit: rule.limit,
            duration_seconds: rule.duration_seconds,
            auto_apply: rule.auto_apply,
            on_unreachable: Some(rule.on_unreachable.as_str().to_owned()),
        }
    }

    fn checked(self) -> Result<LimitRule, InvalidField> {
        let on_unreachable = match &self.on_unreachable {
            None => OnUnreachable::default(),
            Some(name) => OnUnreachable::from_name(name)
                .ok_or_else(|| InvalidField::new("limits", name.escape_debug(), "`on_unreachable` as deny, allow or local"))?,
        };
        let Self { name, limit, duration_seconds, auto_apply, .. } = self;
        Ok(LimitRule { name, limit, duration_seconds, auto_apply, on_unreachable })
    }
}

/// Reads a list of limits.
pub(super) fn limits(bodies: Vec<LimitBody>) -> Result<Vec<LimitRule>, InvalidField> {
    bodies.into_iter().map(LimitBody::checked).collect()
}

impl CreditsBody {
    pub(super) fn of(credits: &Credits) -> Self {
        Self { remaining: credits.remaining, refill: credits.refill.map(RefillBody::of) }
    }

    pub(super) fn checked(self) -> Result<Credits, InvalidField> {
        Ok(Credits { remaining: self.remaining, refill: self.refill.map(RefillBody::checked).transpose()? })
    }
}

impl RefillBody {
    fn of(refill: Refill) -> Self {
        match refill {
            Refill::Daily { amount } => Self { interval: "daily".to_owned(), amount, day: None },
            Refill::Monthly { amount, day } => Self { interval: "monthly".to_owned(), amount, day: Some(day) },
        }
    }

    fn checked(self) -> Result<Refill, InvalidField> {
        match (self.interval.as_str(), self.day) {
            ("daily", None) => Ok(Refill::Daily { amount: self.amount }),
            ("daily", Some(day)) => Err(InvalidField::new("credits", day, "no `day` where `interval` is daily")),
            ("monthly", day) => Ok(Refill::Monthly { amount: self.amount, day: day.unwrap_or(1) }),
            (other, _) => Err(InvalidField::new("credits", other.escape_debug(), "`interval` as daily or monthly")),
        }
    }
}
