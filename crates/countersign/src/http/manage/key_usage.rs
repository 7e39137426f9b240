//! `/manage/v1/key-usage`: how API keys were used.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use countersign_protocol::Timestamp;
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::page::{List, PageQuery, invalid};
use super::refusal::Refusal;
use super::reply::Reply;
use super::time::{parse, rfc3339};
use crate::api_keys::VerdictCode;
use crate::app::App;
use crate::management::Right;
use crate::usage::{self, Grouping, Interval, KeyUsageQuestion, KeyUsageSum};

/// What sums are told apart by unless the caller says otherwise.
const DEFAULT_GROUPING: &str = "time,outcome";
/// What they may be told apart by.
const GROUPS: &str = "time, key, client, resource_server, outcome, tag";

/// The query.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct KeyUsageQuery {
    /// Which counters: by `minute`, `hour` or `day` (UTC) [default: day]
    interval: Option<String>,
    /// RFC 3339: from the interval on in which this lies [default: 60 minutes, 24 hours or 30 days before `to`]
    from: Option<String>,
    /// RFC 3339: intervals that begin before this [default: now]
    to: Option<String>,
    /// Of this key only
    key_id: Option<String>,
    /// Of keys of this client only
    client_id: Option<String>,
    /// Of keys for this resource server only
    resource_server_id: Option<String>,
    /// Verdicts with this code only, such as `RATE_LIMITED`
    outcome: Option<String>,
    /// Of requests with this tag only
    tag: Option<String>,
    /// What is told apart, with commas: `time`, `key`, `client`, `resource_server`, `outcome`,
    /// `tag` [default: time,outcome]
    group_by: Option<String>,
    #[param(ignore)]
    page: PageQuery,
}

/// Verdicts that have in common what is told apart; the rest is absent. Counters are those
/// that the nodes have written: each does every five seconds
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyUsage)]
struct KeyUsageView {
    /// RFC 3339: when the interval began
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    /// The key; null: none was found
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    key_id: Option<Option<String>>,
    /// Whose key it is; null: none was found
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    client_id: Option<Option<String>>,
    /// What the key is for; null: none was found
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    resource_server_id: Option<Option<String>>,
    /// The code of the verdicts
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    /// A tag of the requests: one with several counts for each
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    /// How many verdicts
    requests: i64,
    /// How many credits were spent
    credits: i64,
}

impl<S: Send + Sync> FromRequestParts<S> for KeyUsageQuery {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut query = Self::default();
        query.page = PageQuery::read(
            parts,
            &mut [
                ("interval", &mut query.interval),
                ("from", &mut query.from),
                ("to", &mut query.to),
                ("key_id", &mut query.key_id),
                ("client_id", &mut query.client_id),
                ("resource_server_id", &mut query.resource_server_id),
                ("outcome", &mut query.outcome),
                ("tag", &mut query.tag),
                ("group_by", &mut query.group_by),
            ],
        )?;
        Ok(query)
    }
}

impl KeyUsageQuery {
    /// What a cursor is for.
    fn name(&self) -> String {
        let Self { interval, from, to, key_id, client_id, resource_server_id, outcome, tag, group_by, page: _ } = self;
        serde_json::json!(["key usage", interval, from, to, key_id, client_id, resource_server_id, outcome, tag, group_by])
            .to_string()
    }

    fn question(&self, app: &App, caller: &Caller) -> Result<KeyUsageQuestion, Refusal> {
        let interval = self.interval.as_deref().map_or(Ok(Interval::Day), parse_interval)?;
        if !app.key_usage.kept().keeps_key_usage(interval) {
            return Err(invalid("interval", "not counted: `[usage]` in the configuration keeps none of them"));
        }
        let to = self.to.as_deref().map_or(Ok(app.clock.now()), |text| parse_time("to", text))?;
        let from = self.from.as_deref().map(|text| parse_time("from", text)).transpose()?;
        let from = interval.start_of(from.unwrap_or_else(|| to.plus_seconds(-default_seconds(interval))));
        if from >= to {
            return Err(invalid("from", "before `to`"));
        }
        Ok(KeyUsageQuestion {
            interval,
            from,
            to,
            key_id: self.key_id.clone(),
            client_id: self.client_id.clone(),
            resource_server_id: self.resource_server_id.clone(),
            outcome: self.outcome.as_deref().map(parse_outcome).transpose()?,
            tag: self.tag.clone(),
            organization: caller.organization().cloned(),
            by: parse_grouping(self.group_by.as_deref().unwrap_or(DEFAULT_GROUPING))?,
        })
    }
}

impl KeyUsageView {
    fn of(by: Grouping, sum: &KeyUsageSum) -> Self {
        let [key, client, resource_server, outcome, tag] = &sum.names;
        let owned = |is_told_apart: bool, text: &String| is_told_apart.then(|| text.clone());
        let known = |is_told_apart, text| owned(is_told_apart, text).map(|text| Some(text).filter(|text| !text.is_empty()));
        Self {
            started_at: by.time.then(|| rfc3339(sum.started_at)),
            key_id: known(by.key, key),
            client_id: known(by.client, client),
            resource_server_id: known(by.resource_server, resource_server),
            outcome: owned(by.outcome, outcome),
            tag: owned(by.tag, tag),
            requests: sum.sums.requests,
            credits: sum.sums.credits,
        }
    }
}

/// Sum up how API keys were used
#[utoipa::path(get, path = "/manage/v1/key-usage", tag = "keys", params(PageQuery, KeyUsageQuery),
    responses((status = 200, description = "A piece of the sums, by what they are told apart by", body = List<KeyUsageView>)),
    security(("management" = ["keys:read"])))]
pub(super) async fn show_key_usage(State(app): State<Arc<App>>, caller: Caller, query: KeyUsageQuery) -> Result<Response, Refusal> {
    caller.require(Right::KeysRead)?;
    let (question, name) = (query.question(&app, &caller)?, query.name());
    let by = question.by;
    let rows = usage::of_keys(&app, question, query.page.page(&app, &name)?).await?;
    let place = |row: &KeyUsageSum| (row.started_at, serde_json::json!(row.names).to_string());
    let list = query.page.list(&app, &name, rows, place, |row| KeyUsageView::of(by, row));
    Ok(caller.named(Reply::plain(StatusCode::OK, &list).into_response()))
}

const fn default_seconds(interval: Interval) -> i64 {
    match interval {
        Interval::Minute => 3_600,
        Interval::Hour => 86_400,
        Interval::Day => 30 * 86_400,
    }
}

fn parse_interval(text: &str) -> Result<Interval, Refusal> {
    Interval::from_name(text).ok_or_else(|| invalid("interval", "accepted: minute, hour, day"))
}

fn parse_time(name: &str, text: &str) -> Result<Timestamp, Refusal> {
    parse(text).ok_or_else(|| invalid(name, "accepted: a time in RFC 3339"))
}

fn parse_outcome(text: &str) -> Result<VerdictCode, Refusal> {
    let known = || VerdictCode::ALL.map(VerdictCode::as_str).join(", ");
    VerdictCode::from_name(text).ok_or_else(|| invalid("outcome", &format!("accepted: {}", known())))
}

fn parse_grouping(text: &str) -> Result<Grouping, Refusal> {
    let mut by = Grouping::default();
    for name in text.split(',') {
        let place = match name {
            "time" => &mut by.time,
            "key" => &mut by.key,
            "client" => &mut by.client,
            "resource_server" => &mut by.resource_server,
            "outcome" => &mut by.outcome,
            "tag" => &mut by.tag,
            _ => return Err(invalid("group_by", &format!("accepted, with commas between: {GROUPS}"))),
        };
        *place = true;
    }
    Ok(by)
}
