//! `/manage/v1/keys/{key_id}/credits`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::KeyView;
use super::{reachable, shown};
use crate::api_keys;
use crate::app::App;
use crate::change::InvalidField;
use crate::counters::CreditsChange;
use crate::http::manage::body::Body;
use crate::http::manage::caller::Caller;
use crate::http::manage::idempotency::Attempt;
use crate::http::manage::path::Named;
use crate::http::manage::refusal::Refusal;
use crate::management::Right;

/// How the credits of a key are to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreditsChange)]
pub(in crate::http::manage) struct CreditsChangeBody {
    /// `set`, `increment`, or `decrement`: to none at least
    operation: String,
    /// How many; null with `set`: without a bound
    value: Option<i64>,
}

impl CreditsChangeBody {
    fn checked(&self) -> Result<CreditsChange, InvalidField> {
        match (self.operation.as_str(), self.value) {
            ("set", None) => Ok(CreditsChange::Unlimited),
            ("set", Some(value)) => Ok(CreditsChange::Set(value)),
            ("increment", Some(value)) => Ok(CreditsChange::Increment(value)),
            ("decrement", Some(value)) => Ok(CreditsChange::Decrement(value)),
            ("increment" | "decrement", None) => Err(InvalidField::new("value", "null", "a number of credits")),
            (other, _) => Err(InvalidField::new("operation", other.escape_debug(), "set, increment or decrement")),
        }
    }
}

/// Change the credits of an API key
#[utoipa::path(post, path = "/manage/v1/keys/{key_id}/credits", tag = "keys", request_body = CreditsChangeBody,
    params(("key_id" = String, Path, description = "The key")),
    responses((status = 200, description = "The key", body = KeyView)),
    security(("management" = ["keys:write"])))]
pub(in crate::http::manage) async fn change_key_credits(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    attempt: Attempt,
    body: Body<CreditsChangeBody>,
) -> Result<Response, Refusal> {
    caller.require(Right::KeysWrite)?;
    let Body { value, bytes } = body;
    let work = async |by| {
        let found = reachable(&app, &caller, &id).await?;
        Ok(shown(&app, &api_keys::change_credits(&app, &by, &found.id, value.checked()?).await?))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}
