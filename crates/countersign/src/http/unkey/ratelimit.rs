//! Rate limits of anything: counters that a caller names. They are counted where the limits
//! of keys are, each caller's organization apart.

use serde::{Deserialize, Serialize};

use super::counted::rule;
use super::operation::{Context, Reply};
use super::refusal::{UnkeyField, UnkeyRefusal};
use crate::counters::{Answer, Ask, LimitRule, Outcome};
use crate::http::errors::fault;
use crate::ids::OrganizationId;
use crate::management::Right;
use countersign_protocol::ErrorCode;

/// Longest namespace and identifier, in characters.
const MAX_NAME: usize = 255;
/// Most limits of one request.
const MAX_LIMITS: usize = 100;
/// What the rule of such a counter is called: the subject tells it from others.
const RULE: &str = "ratelimit";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitQuestion {
    namespace: String,
    identifier: String,
    limit: u32,
    /// Milliseconds.
    duration: u64,
    cost: Option<u64>,
}

#[derive(Serialize)]
struct LimitView {
    limit: u32,
    remaining: u64,
    reset: i64,
    success: bool,
}

#[derive(Serialize)]
struct CheckView {
    namespace: String,
    identifier: String,
    limit: u32,
    remaining: u64,
    reset: i64,
    passed: bool,
}

#[derive(Serialize)]
struct ChecksView {
    passed: bool,
    limits: Vec<CheckView>,
}

/// A counter that is asked for.
struct Counter {
    subject: String,
    rule: LimitRule,
    cost: u64,
}

pub(super) async fn limit(context: Context, body: LimitQuestion) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::RateLimitsTake)?;
    let counter = Counter::of(&context, &body)?;
    let (passed, answers) = take(&context, &[counter]).await?;
    let answer = answers.first().ok_or_else(|| fault(ErrorCode::Internal, "a limit without an answer".to_owned()))?;
    let reset = answer.reset_at.as_millis();
    Ok(Reply::of(&LimitView { limit: answer.limit, remaining: answer.remaining, reset, success: passed }))
}

/// All of them or none: what one refuses, no other counts.
pub(super) async fn multi_limit(context: Context, body: Vec<LimitQuestion>) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::RateLimitsTake)?;
    if !(1..=MAX_LIMITS).contains(&body.len()) {
        let message = format!("1 to {MAX_LIMITS} limits are accepted");
        return Err(UnkeyRefusal::invalid(vec![UnkeyField { location: "body".to_owned(), message: message.clone(), fix: None }])
            .saying(message));
    }
    let counters = body.iter().map(|question| Counter::of(&context, question)).collect::<Result<Vec<_>, _>>()?;
    let (passed, answers) = take(&context, &counters).await?;
    let check = |(question, answer): (LimitQuestion, Answer)| CheckView {
        namespace: question.namespace,
        identifier: question.identifier,
        limit: answer.limit,
        remaining: answer.remaining,
        reset: answer.reset_at.as_millis(),
        passed: !answer.exceeded,
    };
    Ok(Reply::of(&ChecksView { passed, limits: body.into_iter().zip(answers).map(check).collect() }))
}

/// # Errors
/// What could not be counted is neither passed nor refused.
async fn take(context: &Context, counters: &[Counter]) -> Result<(bool, Vec<Answer>), UnkeyRefusal> {
    let asks: Vec<Ask<'_>> = counters.iter().map(Counter::ask).collect();
    let taken = context.app.counters.take(&asks, context.app.clock.now()).await;
    match taken.outcome {
        Outcome::Within => Ok((true, taken.answers)),
        Outcome::Exceeded => Ok((false, taken.answers)),
        Outcome::Uncounted => Err(fault(ErrorCode::LimitsUncounted, "a rate limit could not be counted".to_owned()).into()),
    }
}

impl Counter {
    fn ask(&self) -> Ask<'_> {
        Ask { subject: &self.subject, rule: &self.rule, cost: self.cost }
    }

    fn of(context: &Context, question: &LimitQuestion) -> Result<Self, UnkeyRefusal> {
        let LimitQuestion { namespace, identifier, limit, duration, cost } = question;
        for (member, name) in [("namespace", namespace), ("identifier", identifier)] {
            if !(1..=MAX_NAME).contains(&name.chars().count()) {
                return Err(UnkeyRefusal::member(member, format!("1 to {MAX_NAME} characters")));
            }
        }
        if *limit == 0 {
            return Err(UnkeyRefusal::member("limit", "1 or more"));
        }
        let rule =
            rule(RULE.to_owned(), *limit, *duration, false).map_err(|accepted| UnkeyRefusal::member("duration", accepted))?;
        // No id of a key or a client holds a `/`, and the length keeps the two names apart.
        let organization = context.caller.organization().map(OrganizationId::as_str).unwrap_or_default();
        let subject = format!("{RULE}/{organization}/{}/{namespace}/{identifier}", namespace.len());
        Ok(Self { subject, rule, cost: cost.unwrap_or(1) })
    }
}
