//! `keys.updateCredits`.

use serde::Deserialize;

use super::find;
use crate::api_keys;
use crate::counters::CreditsChange;
use crate::http::unkey::counted::CreditsBody;
use crate::http::unkey::operation::{Context, Reply};
use crate::http::unkey::refusal::UnkeyRefusal;
use crate::management::Right;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::http::unkey) struct CreditsOperation {
    key_id: String,
    operation: Operation,
    value: Option<i64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Operation {
    Decrement,
    Increment,
    Set,
}

pub(in crate::http::unkey) async fn update(context: Context, body: CreditsOperation) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::KeysWrite)?;
    let found = find(&context, &body.key_id).await?;
    let change = match (body.operation, body.value) {
        (Operation::Set, None) => CreditsChange::Unlimited,
        (Operation::Set, Some(value)) => CreditsChange::Set(value),
        (Operation::Increment, Some(value)) => CreditsChange::Increment(value),
        (Operation::Decrement, Some(value)) => CreditsChange::Decrement(value),
        (Operation::Increment | Operation::Decrement, None) => {
            return Err(UnkeyRefusal::member("value", "a number of credits"));
        }
    };
    let changed = api_keys::change_credits(&context.app, &context.actor(), &found.id, change).await?;
    let credits = changed.credits.map(|credits| credits.at(context.app.clock.now()));
    Ok(Reply::of(&credits.as_ref().map_or_else(CreditsBody::unlimited, CreditsBody::of)))
}
