//! The routes, each with its part of the OpenAPI document.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{
    audit, authorization_servers, caller, clients, credentials, grants, import_keys, introspection_clients, key_import, key_usage,
    keys, mounts, openapi, organizations, refusals, resource_servers, revocations, roles, signing_keys, status_feed, token_keys,
    usage,
};
use crate::app::App;

/// The routes of the management API.
pub(in crate::http) fn routes() -> Router<Arc<App>> {
    let (router, _) = described().split_for_parts();
    router.route_layer(from_fn(caller::name_caller)).route("/manage/v1/openapi.json", get(openapi::serve))
}

/// The same routes with their description.
pub(super) fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(authorization_servers::list_authorization_servers, authorization_servers::create_authorization_server))
        .routes(routes!(
            authorization_servers::show_authorization_server,
            authorization_servers::update_authorization_server,
            authorization_servers::delete_authorization_server
        ))
        .routes(routes!(mounts::list_mounts, mounts::create_mount))
        .routes(routes!(mounts::delete_mount))
        .routes(routes!(resource_servers::list_resource_servers, resource_servers::create_resource_server))
        .routes(routes!(
            resource_servers::show_resource_server,
            resource_servers::update_resource_server,
            resource_servers::delete_resource_server
        ))
        .routes(routes!(introspection_clients::create_introspection_client))
        .routes(routes!(introspection_clients::allow_introspection, introspection_clients::forbid_introspection))
        .routes(routes!(organizations::list_organizations, organizations::create_organization))
        .routes(routes!(organizations::show_organization, organizations::update_organization, organizations::delete_organization))
        .routes(routes!(clients::list_clients, clients::create_client))
        .routes(routes!(clients::show_client, clients::update_client, clients::delete_client))
        .routes(routes!(clients::disable_client))
        .routes(routes!(clients::enable_client))
        .routes(routes!(usage::show_client_usage))
        .routes(routes!(grants::list_grants, grants::create_grant))
        .routes(routes!(grants::show_grant, grants::update_grant, grants::delete_grant))
        .routes(routes!(credentials::list_credentials, credentials::create_credential))
        .routes(routes!(credentials::show_credential, credentials::update_credential, credentials::revoke_credential))
        .routes(routes!(credentials::rotate_credential))
        .routes(routes!(credentials::rotate_own_credential))
        .routes(routes!(keys::list::list_keys, keys::create_key))
        .routes(routes!(keys::verify::verify_keys))
        .routes(routes!(keys::changes::follow_key_changes))
        .routes(routes!(keys::scanner_rules::show_scanner_rules))
        .routes(routes!(keys::show_key, keys::update_key, keys::delete_key))
        .routes(routes!(keys::state::rotate_key))
        .routes(routes!(keys::credits::change_key_credits))
        .routes(routes!(keys::state::disable_key))
        .routes(routes!(keys::state::enable_key))
        .routes(routes!(keys::state::revoke_key))
        .routes(routes!(key_usage::show_key_usage))
        .routes(routes!(roles::list_roles, roles::create_role))
        .routes(routes!(roles::show_role, roles::update_role, roles::delete_role))
        .routes(routes!(signing_keys::list_signing_keys, signing_keys::add_signing_algorithm))
        .routes(routes!(signing_keys::remove_signing_algorithm))
        .routes(routes!(signing_keys::rotate_signing_keys))
        .routes(routes!(token_keys::list_token_keys))
        .routes(routes!(token_keys::rotate_token_keys))
        .routes(routes!(key_import::import_keys))
        .routes(routes!(import_keys::list_import_keys, import_keys::create_import_key))
        .routes(routes!(import_keys::show_import_key, import_keys::delete_import_key))
        .routes(routes!(revocations::list_revocations, revocations::create_revocation))
        .routes(routes!(status_feed::show_status_feed))
        .routes(routes!(refusals::list_refusals))
        .routes(routes!(refusals::show_refusal))
        .routes(routes!(audit::list_audit_events))
        .routes(routes!(audit::verify_audit_log))
}
