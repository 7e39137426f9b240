//! `/manage/v1/refusals`: why requests were refused.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use countersign_protocol::ErrorCode;
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::page::{List, PageQuery, invalid};
use super::path::Named;
use super::refusal::Refusal;
use super::reply::Reply;
use super::time::rfc3339;
use crate::app::App;
use crate::change::ChangeError;
use crate::management::Right;
use crate::refusals::{self, RecordedRefusal, RefusalFilter};

/// Nothing changes a refusal.
const ONLY_VERSION: i64 = 1;

/// Why a request was refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RefusedRequest)]
struct RefusedRequestView {
    /// The header `X-Request-Id` of the answer
    request_id: String,
    /// RFC 3339
    occurred_at: String,
    /// The method; `other` for one that no route takes
    method: String,
    /// The route's pattern, never the path that was asked for
    route: String,
    /// The status of the answer
    status: i64,
    /// The stable code, `CS-nnnn`
    code: String,
    /// What the code means
    meaning: Option<&'static str>,
    /// What the answer did not say; null where it said it all. The cause of a 5xx is not
    /// shown to a caller that is limited to an organization
    detail: Option<String>,
    /// The client that was named, if there is one
    client_id: Option<String>,
    /// The credential that authenticated it; null: it was not authenticated
    credential_id: Option<String>,
    /// Where the request came from
    source_address: Option<String>,
    /// The page of the code
    documentation_url: String,
}

impl RefusedRequestView {
    fn of(app: &App, caller: &Caller, refused: &RecordedRefusal) -> Self {
        let code = ErrorCode::ALL.iter().find(|code| code.as_str() == refused.code);
        let base = app.bases.first().map(ToString::to_string).unwrap_or_default();
        let is_internal = refused.status >= 500 && caller.organization().is_some();
        Self {
            request_id: refused.request_id.clone(),
            occurred_at: rfc3339(refused.occurred_at),
            method: refused.method.clone(),
            route: refused.route.clone(),
            status: refused.status,
            code: refused.code.clone(),
            meaning: code.map(|code| code.meaning()),
            detail: refused.detail.clone().filter(|_| !is_internal),
            client_id: refused.client_id.clone(),
            credential_id: refused.credential_id.clone(),
            source_address: refused.source_address.clone(),
            documentation_url: format!("{base}/errors/{}", refused.code),
        }
    }
}

/// The query of the list.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RefusalQuery {
    /// Of this client only
    client_id: Option<String>,
    /// With this code only, `CS-nnnn`
    code: Option<String>,
    #[param(ignore)]
    page: PageQuery,
}

impl<S: Send + Sync> FromRequestParts<S> for RefusalQuery {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let (mut client_id, mut code) = (None, None);
        let page = PageQuery::read(parts, &mut [("client_id", &mut client_id), ("code", &mut code)])?;
        if client_id.as_deref() == Some("") {
            return Err(invalid("client_id", "empty"));
        }
        if code.as_deref().is_some_and(|code| !ErrorCode::ALL.iter().any(|known| known.as_str() == code)) {
            return Err(invalid("code", "no code of this version; accepted: CS-nnnn"));
        }
        Ok(Self { client_id, code, page })
    }
}

/// List refused requests
#[utoipa::path(get, path = "/manage/v1/refusals", tag = "refusals", params(PageQuery, RefusalQuery),
    responses((status = 200, description = "A piece of the list", body = List<RefusedRequestView>)),
    security(("management" = ["audit:read"])))]
pub(super) async fn list_refusals(State(app): State<Arc<App>>, caller: Caller, query: RefusalQuery) -> Result<Response, Refusal> {
    caller.require(Right::AuditRead)?;
    let RefusalQuery { client_id, code, page: query } = query;
    // A cursor goes on with the same list only.
    let name = format!("refusals {} {}", client_id.as_deref().unwrap_or_default(), code.as_deref().unwrap_or_default());
    let filter = RefusalFilter { organization: caller.organization().cloned(), client_id, code };
    let rows = refusals::list(&app, filter, query.page(&app, &name)?).await?;
    let place = |row: &RecordedRefusal| (row.occurred_at, row.request_id.clone());
    let list = query.list(&app, &name, rows, place, |row| RefusedRequestView::of(&app, &caller, row));
    Ok(caller.named(Reply::plain(StatusCode::OK, &list).into_response()))
}

/// Show why a request was refused
#[utoipa::path(get, path = "/manage/v1/refusals/{request_id}", tag = "refusals",
    params(("request_id" = String, Path, description = "The header `X-Request-Id` of the answer")),
    responses((status = 200, description = "Why it was refused", body = RefusedRequestView)),
    security(("management" = ["audit:read"])))]
pub(super) async fn show_refusal(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    caller.require(Right::AuditRead)?;
    let found = refusals::find(&app, &id, caller.organization().cloned()).await?;
    let found = found.ok_or_else(|| ChangeError::NotFound { kind: "refused request", id: id.escape_debug().to_string() })?;
    let view = RefusedRequestView::of(&app, &caller, &found);
    Ok(caller.named(Reply::shown(&view, ONLY_VERSION).into_response()))
}
