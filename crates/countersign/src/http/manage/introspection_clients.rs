//! `/manage/v1/resource-servers/{id}/introspection-clients`: who may ask about tokens
//! for a resource server, which itself has no secret.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use countersign_protocol::ClientId;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::clients::CreatedClientView;
use super::idempotency::Attempt;
use super::path::Named;
use super::refusal::Refusal;
use super::reply::{Reply, deleted};
use super::version::IfMatch;
use crate::app::App;
use crate::change::ChangeError;
use crate::ids::ResourceServerId;
use crate::management::Right;
use crate::resource_servers;

/// The leave is there or not: there is nothing of it to change.
const LEAVE_VERSION: i64 = 1;

/// Leave for a client to introspect the tokens for a resource server.
#[derive(Debug, Serialize, ToSchema)]
struct IntrospectionLeave {
    /// The client
    client_id: String,
    /// The resource server
    resource_server_id: String,
}

/// Create a client that may introspect the tokens for a resource server, and nothing else
#[utoipa::path(post, path = "/manage/v1/resource-servers/{id}/introspection-clients", tag = "resource-servers",
    params(("id" = String, Path, description = "The resource server")),
    responses((status = 201, description = "The new client; its secret is shown only here", body = CreatedClientView)),
    security(("management" = ["clients:write"])))]
pub(super) async fn create_introspection_client(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    attempt: Attempt,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::ClientsWrite)?;
    let work = async |by| {
        let made = resource_servers::create_introspection_client(&app, &by, &ResourceServerId::from_stored(&id)).await?;
        let location = format!("/manage/v1/clients/{}", made.client.id);
        Ok(Reply::created(&CreatedClientView::of(&made), made.client.version, location).with_secret(&["client_secret"]))
    };
    Ok(attempt.once(&app, &caller, &Bytes::new(), work).await)
}

/// Let a client introspect the tokens for a resource server
#[utoipa::path(post, path = "/manage/v1/resource-servers/{id}/introspection-clients/{client_id}", tag = "resource-servers",
    params(("id" = String, Path, description = "The resource server"), ("client_id" = String, Path, description = "The client")),
    responses((status = 200, description = "It may introspect from now on", body = IntrospectionLeave)),
    security(("management" = ["clients:write"])))]
pub(super) async fn allow_introspection(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((id, client_id)): Named<(String, String)>,
    attempt: Attempt,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::ClientsWrite)?;
    let work = async |by| {
        let client = parse_client_id(&client_id)?;
        resource_servers::allow_introspection(&app, &by, &client, &ResourceServerId::from_stored(&id)).await?;
        let leave = IntrospectionLeave { client_id: client.to_string(), resource_server_id: id.clone() };
        Ok(Reply::plain(StatusCode::OK, &leave))
    };
    Ok(attempt.once(&app, &caller, &Bytes::new(), work).await)
}

/// Take the leave to introspect back
#[utoipa::path(delete, path = "/manage/v1/resource-servers/{id}/introspection-clients/{client_id}", tag = "resource-servers",
    params(("id" = String, Path, description = "The resource server"), ("client_id" = String, Path, description = "The client")),
    responses((status = 204, description = "It may not introspect any more")),
    security(("management" = ["clients:write"])))]
pub(super) async fn forbid_introspection(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((id, client_id)): Named<(String, String)>,
    IfMatch(version): IfMatch,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::ClientsWrite)?;
    ChangeError::check_version(version, LEAVE_VERSION)?;
    let (client, id) = (parse_client_id(&client_id)?, ResourceServerId::from_stored(&id));
    resource_servers::forbid_introspection(&app, &caller.actor(None), &client, &id).await?;
    Ok(caller.named(deleted()))
}

fn parse_client_id(text: &str) -> Result<ClientId, ChangeError> {
    ClientId::try_from(text).map_err(|_| ChangeError::NotFound { kind: "client", id: text.to_owned() })
}
