//! The list of API keys.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use utoipa::IntoParams;

use super::view::KeyView;
use crate::api_keys::{self, ApiKey, ApiKeyFilter, ApiKeyState};
use crate::app::App;
use crate::http::manage::caller::Caller;
use crate::http::manage::page::{List, PageQuery, invalid};
use crate::http::manage::refusal::Refusal;
use crate::http::manage::reply::Reply;
use crate::management::Right;

/// The query of the list.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http::manage) struct KeyQuery {
    /// Of this client only
    client_id: Option<String>,
    /// For this resource server only
    resource_server_id: Option<String>,
    /// Only what its owner calls this elsewhere
    external_id: Option<String>,
    /// In this state only: `active`, `disabled`, `expired` or `revoked`
    state: Option<String>,
    #[param(ignore)]
    page: PageQuery,
}

impl<S: Send + Sync> FromRequestParts<S> for KeyQuery {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut query = Self::default();
        query.page = PageQuery::read(
            parts,
            &mut [
                ("client_id", &mut query.client_id),
                ("resource_server_id", &mut query.resource_server_id),
                ("external_id", &mut query.external_id),
                ("state", &mut query.state),
            ],
        )?;
        Ok(query)
    }
}

/// List API keys
#[utoipa::path(get, path = "/manage/v1/keys", tag = "keys", params(PageQuery, KeyQuery),
    responses((status = 200, description = "A piece of the list", body = List<KeyView>)),
    security(("management" = ["keys:read"])))]
pub(in crate::http::manage) async fn list_keys(
    State(app): State<Arc<App>>,
    caller: Caller,
    query: KeyQuery,
) -> Result<Response, Refusal> {
    caller.require(Right::KeysRead)?;
    let KeyQuery { client_id, resource_server_id, external_id, state, page: query } = query;
    // A cursor goes on with the same list only.
    let name = serde_json::json!(["keys", client_id, resource_server_id, external_id, state]).to_string();
    let state = state.as_deref().map(parse_state).transpose()?;
    let filter = ApiKeyFilter { organization: caller.organization().cloned(), client_id, resource_server_id, external_id, state };
    let rows = api_keys::list(&app, filter, query.page(&app, &name)?).await?;
    let place = |row: &ApiKey| (row.created_at, row.id.to_string());
    let list = query.list(&app, &name, rows, place, |row| KeyView::of(&app, row));
    Ok(caller.named(Reply::plain(StatusCode::OK, &list).into_response()))
}

fn parse_state(text: &str) -> Result<ApiKeyState, Refusal> {
    let known = || ApiKeyState::ALL.map(ApiKeyState::as_str).join(", ");
    ApiKeyState::from_name(text).ok_or_else(|| invalid("state", &format!("accepted: {}", known())))
}
