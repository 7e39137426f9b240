//! `/manage/v1/audit`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use countersign_protocol::Timestamp;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::caller::Caller;
use super::page::{List, PageQuery};
use super::refusal::Refusal;
use super::reply::Reply;
use super::time::rfc3339;
use crate::app::App;
use crate::audit::{self, ChainFault, RecordedEvent};
use crate::http::errors::invalid_query;
use crate::management::Right;
use crate::store::StoreError;

/// Who did what, when, and in which request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEvent)]
struct AuditEventView {
    /// Its id
    id: String,
    /// Its place in the chain, from 1 without gaps
    seq: i64,
    /// RFC 3339
    occurred_at: String,
    /// `client`, `command_line` or `system`
    actor_kind: String,
    /// The `client_id`, or the name of a job
    actor_id: Option<String>,
    /// The request it happened in
    request_id: Option<String>,
    /// Where that request came from
    source_address: Option<String>,
    /// `noun.participle`
    action: String,
    /// What kind of object
    object_kind: String,
    /// Which object
    object_id: String,
    /// Whose partner's object it is
    organization_id: Option<String>,
    /// What changed; never a secret
    details: Map<String, Value>,
    /// SHA-256 over all of the above and the hash before it, base64url
    hash: String,
}

impl AuditEventView {
    fn of(event: &RecordedEvent) -> Self {
        Self {
            id: event.id.to_string(),
            seq: event.seq,
            occurred_at: rfc3339(event.occurred_at),
            actor_kind: event.actor_kind.clone(),
            actor_id: event.actor_id.clone(),
            request_id: event.request_id.clone(),
            source_address: event.source_address.clone(),
            action: event.action.clone(),
            object_kind: event.object_kind.clone(),
            object_id: event.object_id.clone(),
            organization_id: event.organization_id.clone(),
            details: serde_json::from_str(&event.details).unwrap_or_default(),
            hash: event.hash.to_string(),
        }
    }
}

/// What recomputing the chain found.
#[derive(Debug, Serialize, ToSchema)]
struct AuditVerification {
    /// Whether every hash fits
    whole: bool,
    /// How many events fit, from the first
    events: i64,
    /// The last hash that fits; note it down with `events` to prove later that nothing before it was changed
    head: String,
    /// What does not fit
    fault: Option<String>,
}

/// List audit events
#[utoipa::path(get, path = "/manage/v1/audit/events", tag = "audit", params(PageQuery),
    responses((status = 200, description = "A piece of the log", body = List<AuditEventView>)),
    security(("management" = ["audit:read"])))]
pub(super) async fn list_audit_events(State(app): State<Arc<App>>, caller: Caller, query: PageQuery) -> Result<Response, Refusal> {
    caller.require(Right::AuditRead)?;
    let page = query.page(&app, "audit")?;
    let after = if page.after_id.is_empty() { 0 } else { page.after_id.parse().map_err(|_| invalid_query("cursor"))? };
    let organization = caller.organization().map(ToString::to_string);
    let read = app
        .store
        .read(move |session| Box::pin(async move { session.audit_events_after(after, organization.as_deref(), page.limit).await }));
    let rows = read.await.map_err(|error: StoreError| error)?;
    let place = |row: &RecordedEvent| (Timestamp::from_millis(0), row.seq.to_string());
    let list = query.list(&app, "audit", rows, place, AuditEventView::of);
    Ok(caller.named(Reply::plain(StatusCode::OK, &list).into_response()))
}

/// Verify the audit log's hash chain
#[utoipa::path(get, path = "/manage/v1/audit/verification", tag = "audit",
    responses((status = 200, description = "Whether the chain is whole", body = AuditVerification)),
    security(("management" = ["audit:read"])))]
pub(super) async fn verify_audit_log(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::AuditRead)?;
    let found = match audit::verify(&app.store, None, |_| {}).await {
        Ok(chain) => AuditVerification { whole: true, events: chain.events, head: chain.head.to_string(), fault: None },
        Err(ChainFault::Store(error)) => return Err(error.into()),
        Err(fault) => AuditVerification { whole: false, events: 0, head: String::new(), fault: Some(fault.to_string()) },
    };
    Ok(caller.named(Reply::plain(StatusCode::OK, &found).into_response()))
}
