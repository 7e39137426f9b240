//! `/manage/v1/clients/{client_id}/usage`: what a client did.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use countersign_protocol::Timestamp;
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::clients::reachable;
use super::page::invalid;
use super::path::Named;
use super::refusal::Refusal;
use super::reply::Reply;
use super::time::rfc3339;
use crate::app::App;
use crate::ids::{CredentialId, ResourceServerId};
use crate::management::Right;
use crate::usage::{self, ClientUsage, Kind, UsageRow, day_of, start_of};

/// Days that are told of unless the caller says otherwise, with the present one.
const DEFAULT_DAYS: u32 = 30;

/// What a client did. Counters are those that its nodes have written: each does every
/// five seconds
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ClientUsage)]
struct ClientUsageView {
    /// Whose
    client_id: String,
    /// RFC 3339: the first instant that is told of, the beginning of a day in UTC
    since: String,
    /// When it authenticated last, however long ago; null: never
    last_seen_at: Option<String>,
    /// All of it
    #[serde(flatten)]
    total: Counts,
    /// Refusals by their codes
    refusals: Vec<RefusalCount>,
    /// What was done with each credential; those that did nothing are not here
    credentials: Vec<CredentialUsage>,
    /// What was asked for, by resource server
    resource_servers: Vec<ResourceServerUsage>,
    /// Each day on which there was something, oldest first
    days: Vec<DayUsage>,
}

/// How often something happened
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
struct Counts {
    /// Tokens that were made
    issued: i64,
    /// Live tokens that were handed out once more
    reused: i64,
    /// Of both: asked for while most of the life of the one before was left
    needless: i64,
    /// Requests that were refused, whoever sent them
    refused: i64,
}

/// Refusals with one code
#[derive(Debug, Serialize, ToSchema)]
struct RefusalCount {
    /// The stable code, `CS-nnnn`
    code: String,
    /// How many
    requests: i64,
    /// RFC 3339
    last_at: String,
}

/// What was done with a credential
#[derive(Debug, Serialize, ToSchema)]
struct CredentialUsage {
    /// Which; null: the client was named, and not authenticated
    credential_id: Option<String>,
    /// How often
    #[serde(flatten)]
    counts: Counts,
    /// When it authenticated the client last, however long ago
    last_seen_at: Option<String>,
}

/// What was asked for of a resource server
#[derive(Debug, Serialize, ToSchema)]
struct ResourceServerUsage {
    /// Which
    resource_server_id: String,
    /// Its audience; null: it is gone
    audience: Option<String>,
    /// How often
    #[serde(flatten)]
    counts: Counts,
    /// RFC 3339: the first needless request that is told of
    needless_since: Option<String>,
    /// RFC 3339: the last
    needless_last_at: Option<String>,
}

/// A day
#[derive(Debug, Serialize, ToSchema)]
struct DayUsage {
    /// `2027-01-15`, UTC
    day: String,
    /// How often
    #[serde(flatten)]
    counts: Counts,
}

impl Counts {
    fn add(&mut self, row: &UsageRow) {
        let place = match row.kind.as_str() {
            kind if kind == Kind::Issued.as_str() => &mut self.issued,
            kind if kind == Kind::Reused.as_str() => &mut self.reused,
            kind if kind == Kind::Needless.as_str() => &mut self.needless,
            _ => &mut self.refused,
        };
        *place += row.tally.requests;
    }

    fn of<'r>(rows: impl IntoIterator<Item = &'r UsageRow>) -> Self {
        let mut counts = Self::default();
        rows.into_iter().for_each(|row| counts.add(row));
        counts
    }
}

impl ClientUsageView {
    fn of(app: &App, client_id: String, since_day: i64, usage: &ClientUsage) -> Self {
        let rows = &usage.rows;
        Self {
            client_id,
            since: rfc3339(start_of(since_day)),
            last_seen_at: usage.uses.values().map(|used| used.used_at).max().map(rfc3339),
            total: Counts::of(rows),
            refusals: refusals(rows),
            credentials: credentials(usage),
            resource_servers: resource_servers(app, rows),
            days: by(rows, |row| row.day)
                .into_iter()
                .map(|(day, rows)| DayUsage { day: date(start_of(day)), counts: Counts::of(rows) })
                .collect(),
        }
    }
}

fn refusals(rows: &[UsageRow]) -> Vec<RefusalCount> {
    let refused = rows.iter().filter(|row| row.kind.starts_with("CS-"));
    by(refused, |row| row.kind.clone())
        .into_iter()
        .map(|(code, rows)| RefusalCount {
            code,
            requests: rows.iter().map(|row| row.tally.requests).sum(),
            last_at: rows.iter().map(|row| row.tally.last_at).max().map(rfc3339).unwrap_or_default(),
        })
        .collect()
}

fn credentials(usage: &ClientUsage) -> Vec<CredentialUsage> {
    by(&usage.rows, |row| row.credential_id.clone())
        .into_iter()
        .map(|(id, rows)| CredentialUsage {
            last_seen_at: usage.uses.get(&CredentialId::from_stored(&id)).map(|used| rfc3339(used.used_at)),
            credential_id: Some(id).filter(|id| !id.is_empty()),
            counts: Counts::of(rows),
        })
        .collect()
}

fn resource_servers(app: &App, rows: &[UsageRow]) -> Vec<ResourceServerUsage> {
    let catalog = app.catalog();
    by(rows.iter().filter(|row| !row.resource_server_id.is_empty()), |row| row.resource_server_id.clone())
        .into_iter()
        .map(|(id, rows)| {
            let needless = || rows.iter().filter(|row| row.kind == Kind::Needless.as_str());
            ResourceServerUsage {
                audience: catalog.resource_server(&ResourceServerId::from_stored(&id)).map(|api| api.audience.to_string()),
                resource_server_id: id,
                needless_since: needless().map(|row| row.tally.first_at).min().map(rfc3339),
                needless_last_at: needless().map(|row| row.tally.last_at).max().map(rfc3339),
                counts: Counts::of(rows),
            }
        })
        .collect()
}

/// The rows, by what they have in common.
fn by<'r, K: Ord>(rows: impl IntoIterator<Item = &'r UsageRow>, key: impl Fn(&UsageRow) -> K) -> BTreeMap<K, Vec<&'r UsageRow>> {
    let mut parts: BTreeMap<K, Vec<&UsageRow>> = BTreeMap::new();
    for row in rows {
        parts.entry(key(row)).or_default().push(row);
    }
    parts
}

fn date(at: Timestamp) -> String {
    rfc3339(at).chars().take(10).collect()
}

/// The query.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageQuery {
    /// How many days, the present one included [default: 30]
    #[param(minimum = 1, required = false, value_type = u32)]
    days: u32,
}

impl<S: Send + Sync> FromRequestParts<S> for UsageQuery {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut given = None;
        for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            if name != "days" || given.is_some() {
                return Err(invalid(&name, "no such parameter, or given twice; accepted: days"));
            }
            let days = value.parse().ok().filter(|days| (1..=MAX_DAYS).contains(days));
            given = Some(days.ok_or_else(|| invalid("days", &format!("accepted: 1 to {MAX_DAYS}")))?);
        }
        Ok(Self { days: given.unwrap_or(DEFAULT_DAYS) })
    }
}

/// Most days; fewer may be kept.
const MAX_DAYS: u32 = 3_660;

/// Show what a client did
#[utoipa::path(get, path = "/manage/v1/clients/{client_id}/usage", tag = "clients",
    params(("client_id" = String, Path, description = "The client"), UsageQuery),
    responses((status = 200, description = "What it did", body = ClientUsageView)),
    security(("management" = ["clients:read"])))]
pub(super) async fn show_client_usage(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    query: UsageQuery,
) -> Result<Response, Refusal> {
    caller.require(Right::ClientsRead)?;
    let client = reachable(&app, &caller, &id).await?;
    let since = day_of(app.clock.now()) - i64::from(query.days) + 1;
    let usage = usage::of_client(&app, &client.id, since).await?;
    let view = ClientUsageView::of(&app, client.id.to_string(), since, &usage);
    Ok(caller.named(Reply::plain(StatusCode::OK, &view).into_response()))
}
