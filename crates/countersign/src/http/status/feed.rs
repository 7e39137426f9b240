//! The status feed by single requests: its keys, a snapshot, the records since a position.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use countersign_protocol::ErrorCode;
use countersign_protocol::jose::json::strict_object;
use countersign_protocol::status::Position;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{StatusCode, Uri};
use serde_json::{Value, json};

use super::StatusMount;
use super::position::{gone, parse};
use crate::app::App;
use crate::http::body::read_bounded;
use crate::http::errors::{fault, json, problem_saying, store_fault};
use crate::http::manage::{Caller, Refusal};
use crate::http::middleware::{LongestWait, allow_any_origin, forbid_storing};
use crate::log::chain;
use crate::management::Right;
use crate::status_feed::{Feed, FeedError, FeedGone, SeatError, SignedRecord, snapshot as take_snapshot};

/// The keys that sign the feed.
pub(super) async fn keys(State(app): State<Arc<App>>, StatusMount(mount): StatusMount) -> Response {
    let feed = match app.status_feeds.of(&app, &mount.server).await {
        Ok(feed) => feed,
        Err(error) => return refuse(&error),
    };
    let mut response = Response::new(Body::from(feed.key.document.clone()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    allow_any_origin(headers);
    response
}

/// Everything until a position from which the feed goes on.
pub(super) async fn snapshot(
    State(app): State<Arc<App>>,
    StatusMount(mount): StatusMount,
    caller: Caller,
) -> Result<Response, Refusal> {
    let feed = followed(&app, &mount, &caller).await?;
    let token = take_snapshot(&app, &feed).await.map_err(|error| refuse(&error))?;
    let mut response = Response::new(Body::from(token));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/jwt"));
    forbid_storing(response.headers_mut());
    Ok(caller.named(response))
}

/// The records after a position; waits for one if there is none.
pub(super) async fn deltas(
    State(app): State<Arc<App>>,
    StatusMount(mount): StatusMount,
    caller: Caller,
    longest: LongestWait,
    uri: Uri,
) -> Result<Response, Refusal> {
    let (after, wait) = read_query(&uri)?;
    let wait = wait.min(longest.0);
    let feed = followed(&app, &mount, &caller).await?;
    let _following = app.status_feeds.follow(&feed, &caller.client().id).map_err(too_many)?;
    let records = next_records(&app, &feed, after, wait).await.map_err(|_| gone())?;
    let tokens: Vec<&str> = records.iter().map(|record| record.token.as_str()).collect();
    let mut response = json(StatusCode::OK, &json!({ "records": tokens }));
    forbid_storing(response.headers_mut());
    Ok(caller.named(response))
}

/// A verifier says that it applies a record.
pub(super) async fn applied(
    State(app): State<Arc<App>>,
    StatusMount(mount): StatusMount,
    caller: Caller,
    request: Request,
) -> Result<Response, Refusal> {
    let feed = followed(&app, &mount, &caller).await?;
    let bytes = read_bounded(request.into_body()).await.map_err(|_| malformed())?;
    let members = strict_object(&bytes).map_err(|_| malformed())?;
    let position = parse("position", members.get("position").and_then(Value::as_str).unwrap_or_default())?;
    let after_ms = members.get("applied_ms").and_then(Value::as_u64).ok_or_else(malformed)?;
    // A record that is not kept any more is one that nobody waits for.
    if let Some(record) = feed.record(position).filter(|record| record.news > 0) {
        app.status_feeds.is_applied(&record, after_ms);
        app.metrics.status_feed.applied_after(after_ms);
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(caller.named(response))
}

/// The feed, for a caller that may follow it.
pub(super) async fn followed(app: &Arc<App>, mount: &crate::catalog::ResolvedMount, caller: &Caller) -> Result<Arc<Feed>, Refusal> {
    // Marks name clients of every organization.
    caller.require_for_instance(Right::StatusRead)?;
    app.status_feeds.of(app, &mount.server).await.map_err(|error| refuse(&error).into())
}

async fn next_records(app: &App, feed: &Arc<Feed>, after: Position, wait: Duration) -> Result<Vec<Arc<SignedRecord>>, FeedGone> {
    let (mut head, mut closed) = (feed.watch(), app.status_feeds.watch_close());
    let waiting = async {
        loop {
            head.borrow_and_update();
            let records = feed.after(after)?;
            if !records.is_empty() || *closed.borrow() {
                return Ok(records);
            }
            if !app.status_feeds.writes(feed) {
                return Err(FeedGone);
            }
            tokio::select! {
                _ = head.changed() => {}
                _ = closed.changed() => {}
            }
        }
    };
    tokio::time::timeout(wait, waiting).await.unwrap_or_else(|_| feed.after(after))
}

fn read_query(uri: &Uri) -> Result<(Position, Duration), Refusal> {
    let (mut after, mut wait) = (None, Duration::ZERO);
    for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        match &*name {
            "after" => after = Some(parse("after", &value)?),
            "wait" => wait = parse_wait(&value)?,
            other => return Err(invalid(&format!("`{}` is no parameter; accepted: after, wait", other.escape_debug()))),
        }
    }
    let after = after.ok_or_else(|| invalid("`after` is missing: the position of the snapshot or of the last record"))?;
    Ok((after, wait))
}

fn parse_wait(text: &str) -> Result<Duration, Refusal> {
    let wait = text.parse().ok().map(Duration::from_secs).filter(|wait| *wait <= LongestWait::MOST);
    let most = LongestWait::MOST.as_secs();
    wait.ok_or_else(|| invalid(&format!("`wait` is `{}`; accepted: 0 to {most} seconds", text.escape_debug())))
}

fn invalid(detail: &str) -> Refusal {
    problem_saying(StatusCode::BAD_REQUEST, ErrorCode::QueryInvalid, detail.to_owned()).into()
}

fn malformed() -> Refusal {
    let detail = "accepted: {\"position\":\"...\",\"applied_ms\":12}".to_owned();
    problem_saying(StatusCode::BAD_REQUEST, ErrorCode::FieldInvalid, detail).into()
}

/// Nobody else may follow for now.
pub(super) fn too_many(error: SeatError) -> Response {
    match error {
        SeatError::Node => fault(ErrorCode::Unavailable, error.to_string()),
        SeatError::Client => problem_saying(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, error.to_string()),
    }
}

fn refuse(error: &FeedError) -> Response {
    match error {
        FeedError::Behind => fault(ErrorCode::Unavailable, error.to_string()),
        FeedError::Sealing(_) | FeedError::SigningKey(_) => fault(ErrorCode::Internal, chain(error)),
        FeedError::Store(error) => store_fault(error),
    }
}
