//! The routes, each with its part of the OpenAPI document.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{audit, clients, openapi, organizations};
use crate::app::App;

/// The routes of the management API.
pub(in crate::http) fn routes() -> Router<Arc<App>> {
    let (router, _) = described().split_for_parts();
    router.route("/manage/v1/openapi.json", get(openapi::serve))
}

/// The same routes with their description.
pub(super) fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(organizations::list_organizations, organizations::create_organization))
        .routes(routes!(organizations::show_organization, organizations::update_organization, organizations::delete_organization))
        .routes(routes!(clients::list_clients, clients::create_client))
        .routes(routes!(clients::show_client, clients::update_client, clients::delete_client))
        .routes(routes!(clients::disable_client))
        .routes(routes!(clients::enable_client))
        .routes(routes!(audit::list_audit_events))
        .routes(routes!(audit::verify_audit_log))
}
