//! What a verification takes of limits and credits, once nothing else speaks against it.

use countersign_protocol::Timestamp;

use super::{ApiKey, VerdictCode, VerifyError};
use crate::app::App;
use crate::clients::Client;
use crate::counters::{Answer, Ask, LimitRule, Outcome, Spending};

/// A limit that is asked for by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitAsk {
    /// Its name.
    pub name: String,
    /// How much the request takes of it; 0 looks.
    pub cost: u64,
    /// What it is where neither the key nor its client has one of the name: it is the key's then.
    pub otherwise: Option<LimitRule>,
}

/// How a limit stands after a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitStanding {
    /// The limit.
    pub rule: LimitRule,
    /// Whether it is one of the client, which all of its keys share.
    pub is_of_client: bool,
    /// How it stands.
    pub answer: Answer,
}

/// What came of counting.
pub(super) struct Counted {
    /// [`VerdictCode::Valid`], or why not.
    pub(super) code: VerdictCode,
    pub(super) limits: Vec<LimitStanding>,
    /// What is left, where that is known and counted.
    pub(super) credits: Option<i64>,
}

/// A limit that applies, and whose.
struct Applied<'a> {
    rule: &'a LimitRule,
    is_of_client: bool,
    cost: u64,
}

/// Takes from every limit that applies, and then credits: all of it or nothing.
///
/// # Errors
/// [`VerifyError::UnknownLimit`], [`VerifyError::Uncounted`], [`VerifyError::Store`].
pub(super) async fn count(
    app: &App,
    (client, key): (&Client, &ApiKey),
    (asked, cost): (&[LimitAsk], u64),
    now: Timestamp,
) -> Result<Counted, VerifyError> {
    let applied = applied(client, key, asked)?;
    let asks: Vec<Ask<'_>> = applied.iter().map(|applied| ask(client, key, applied)).collect();
    let mut counted = Counted { code: VerdictCode::Valid, limits: Vec::new(), credits: None };
    let taken = if asks.is_empty() { None } else { Some(app.counters.take(&asks, now).await) };
    if let Some(taken) = &taken {
        counted.limits = applied.iter().zip(&taken.answers).map(|(applied, answer)| standing(applied, *answer)).collect();
        match taken.outcome {
            Outcome::Within => {}
            Outcome::Exceeded => return Ok(Counted { code: VerdictCode::RateLimited, ..counted }),
            Outcome::Uncounted => return Err(VerifyError::Uncounted),
        }
    }
    if key.credits.is_none() {
        return Ok(counted);
    }
    // On the heap: most keys have none, and it is large.
    let spent = Box::pin(app.spend_credits(&key.id, cost)).await;
    if let (Ok(Spending::Exceeded { .. }) | Err(_), Some(taken)) = (&spent, &taken) {
        app.counters.give_back(&asks, taken).await;
    }
    (counted.code, counted.credits) = match spent? {
        Spending::Unlimited => (VerdictCode::Valid, None),
        Spending::Spent { remaining } => (VerdictCode::Valid, Some(remaining)),
        Spending::Exceeded { remaining } => {
            counted.limits.iter_mut().for_each(|standing| standing.answer.give_back(taken_from(&standing.rule, &applied)));
            (VerdictCode::UsageExceeded, Some(remaining))
        }
    };
    Ok(counted)
}

/// Those that apply by themselves, and those that are asked for. Of two with one name the
/// key's counts.
fn applied<'a>(client: &'a Client, key: &'a ApiKey, asked: &'a [LimitAsk]) -> Result<Vec<Applied<'a>>, VerifyError> {
    let of_client = &client.key_policy.limits;
    if key.limits.is_empty() && of_client.is_empty() && asked.is_empty() {
        return Ok(Vec::new());
    }
    let own = key.limits.iter().map(|rule| (rule, false));
    let shared = of_client.iter().filter(|rule| key.limits.iter().all(|own| own.name != rule.name)).map(|rule| (rule, true));
    let known: Vec<(&LimitRule, bool)> = own.chain(shared).collect();
    let mut applied = Vec::new();
    for ask in asked {
        let found = known.iter().copied().find(|(rule, _)| rule.name == ask.name);
        let found = found.or_else(|| Some((ask.otherwise.as_ref()?, false)));
        let (rule, is_of_client) = found.ok_or_else(|| VerifyError::UnknownLimit(ask.name.clone()))?;
        applied.push(Applied { rule, is_of_client, cost: ask.cost });
    }
    let by_itself = known.iter().filter(|(rule, _)| rule.auto_apply && asked.iter().all(|ask| ask.name != rule.name));
    applied.extend(by_itself.map(|(rule, is_of_client)| Applied { rule, is_of_client: *is_of_client, cost: 1 }));
    Ok(applied)
}

/// A limit that is named twice is one counter.
fn taken_from(rule: &LimitRule, applied: &[Applied<'_>]) -> u64 {
    applied.iter().filter(|applied| applied.rule.name == rule.name).fold(0, |sum, applied| sum.saturating_add(applied.cost))
}

fn ask<'a>(client: &'a Client, key: &'a ApiKey, applied: &Applied<'a>) -> Ask<'a> {
    let subject = if applied.is_of_client { client.id.as_str() } else { key.id.as_str() };
    Ask { subject, rule: applied.rule, cost: applied.cost }
}

fn standing(applied: &Applied<'_>, answer: Answer) -> LimitStanding {
    LimitStanding { rule: applied.rule.clone(), is_of_client: applied.is_of_client, answer }
}
