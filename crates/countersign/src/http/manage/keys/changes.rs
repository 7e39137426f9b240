//! `/manage/v1/keys/changes`: what a service follows that remembers verdicts.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use countersign_protocol::ErrorCode;
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::api_keys::{self, KeyChanges, KeyChangesError};
use crate::app::App;
use crate::http::errors::fault;
use crate::http::manage::caller::Caller;
use crate::http::manage::page::invalid;
use crate::http::manage::refusal::Refusal;
use crate::http::manage::reply::Reply;
use crate::management::Right;

/// Longest wait, in seconds: shorter than what a proxy lets pass.
const MAX_WAIT_SECONDS: u64 = 20;

/// What has changed about keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyChanges)]
pub(in crate::http::manage) struct KeyChangesView {
    /// Up to where in the feed of changes; the next question is `after` it. Lower than the one
    /// before: the feed began anew, and `everything` is true
    position: i64,
    /// Forget every verdict: too much has changed, or what it was is not told
    everything: bool,
    /// Forget the verdicts on these keys
    key_ids: Vec<String>,
    /// Forget the verdicts on the keys of these clients
    client_ids: Vec<String>,
}

/// The query for changes.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http::manage) struct ChangesQuery {
    /// The position up to which changes are known; without it the answer is where the feed is
    after: Option<i64>,
    /// How long to wait for a change if there is none: 0 to 20 [default: 0]
    wait_seconds: Option<u64>,
}

impl<S: Send + Sync> FromRequestParts<S> for ChangesQuery {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut query = Self::default();
        for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            let is_repeated = match &*name {
                "after" => {
                    let after = value.parse().ok().filter(|after| *after >= 0);
                    query.after.replace(after.ok_or_else(|| invalid("after", "a position that an answer named"))?).is_some()
                }
                "wait_seconds" => {
                    let seconds = value.parse().ok().filter(|seconds| *seconds <= MAX_WAIT_SECONDS);
                    let seconds = seconds.ok_or_else(|| invalid("wait_seconds", &format!("0 to {MAX_WAIT_SECONDS}")))?;
                    query.wait_seconds.replace(seconds).is_some()
                }
                other => return Err(invalid(other, "no such parameter; accepted: after, wait_seconds")),
            };
            if is_repeated {
                return Err(invalid(&name, "given twice"));
            }
        }
        Ok(query)
    }
}

/// Follow what changes about API keys, to forget verdicts that were remembered
#[utoipa::path(get, path = "/manage/v1/keys/changes", tag = "keys", params(ChangesQuery),
    responses((status = 200, description = "What has changed, or nothing when the wait is over", body = KeyChangesView)),
    security(("management" = ["keys:verify"])))]
pub(in crate::http::manage) async fn follow_key_changes(
    State(app): State<Arc<App>>,
    caller: Caller,
    query: ChangesQuery,
) -> Result<Response, Refusal> {
    caller.require(Right::KeysVerify)?;
    let wait = Duration::from_secs(query.wait_seconds.unwrap_or_default());
    let mut changes = match api_keys::changes(&app, query.after, wait).await {
        Ok(changes) => changes,
        Err(KeyChangesError::Behind) => return Err(fault(ErrorCode::Unavailable, KeyChangesError::Behind.to_string()).into()),
        Err(KeyChangesError::Store(error)) => return Err(error.into()),
    };
    // Which keys and clients others have is not told to who may not know of them.
    if caller.organization().is_some() && !changes.is_nothing() {
        changes = KeyChanges { position: changes.position, everything: true, ..KeyChanges::default() };
    }
    Ok(caller.named(Reply::plain(StatusCode::OK, &KeyChangesView::of(changes)).into_response()))
}

impl KeyChangesView {
    fn of(changes: KeyChanges) -> Self {
        let KeyChanges { position, everything, keys, clients } = changes;
        Self {
            position,
            everything,
            key_ids: keys.iter().map(ToString::to_string).collect(),
            client_ids: clients.iter().map(ToString::to_string).collect(),
        }
    }
}
