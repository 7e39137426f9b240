//! Unkey's API, version 2, on the use-cases of the management API: who uses Unkey's libraries
//! changes the server's URL. It has shapes and names of its own and no rules: an identity is
//! a client with an external id, an API is a resource server, and a root key is an API key
//! of the management API.

mod apis;
mod body;
mod counted;
mod identities;
mod keys;
mod operation;
mod owner;
mod page;
mod permissions;
mod ratelimit;
mod refusal;
mod roles;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::any;

use self::operation::{not_served, operation};
use crate::app::App;

/// The routes, below `/v2`.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v2/apis.createApi", operation(apis::create))
        .route("/v2/apis.getApi", operation(apis::get))
        .route("/v2/apis.deleteApi", operation(apis::delete))
        .route("/v2/apis.listKeys", operation(apis::list_keys))
        .route("/v2/keys.createKey", operation(keys::create::create))
        .route("/v2/keys.getKey", operation(keys::get))
        .route("/v2/keys.whoami", operation(keys::whoami))
        .route("/v2/keys.updateKey", operation(keys::update::update))
        .route("/v2/keys.deleteKey", operation(keys::delete))
        .route("/v2/keys.rerollKey", operation(keys::reroll))
        .route("/v2/keys.verifyKey", operation(keys::verify::verify))
        .route("/v2/keys.addPermissions", operation(keys::holdings::add_permissions))
        .route("/v2/keys.setPermissions", operation(keys::holdings::set_permissions))
        .route("/v2/keys.removePermissions", operation(keys::holdings::remove_permissions))
        .route("/v2/keys.addRoles", operation(keys::holdings::add_roles))
        .route("/v2/keys.setRoles", operation(keys::holdings::set_roles))
        .route("/v2/keys.removeRoles", operation(keys::holdings::remove_roles))
        .route("/v2/keys.updateCredits", operation(keys::credits::update))
        .route("/v2/keys.migrateKeys", operation(keys::migrate::migrate))
        .route("/v2/identities.createIdentity", operation(identities::create))
        .route("/v2/identities.getIdentity", operation(identities::get))
        .route("/v2/identities.listIdentities", operation(identities::list))
        .route("/v2/identities.updateIdentity", operation(identities::update))
        .route("/v2/identities.deleteIdentity", operation(identities::delete))
        .route("/v2/ratelimit.limit", operation(ratelimit::limit))
        .route("/v2/ratelimit.multiLimit", operation(ratelimit::multi_limit))
        .route("/v2/permissions.createPermission", operation(permissions::create))
        .route("/v2/permissions.getPermission", operation(permissions::get))
        .route("/v2/permissions.listPermissions", operation(permissions::list))
        .route("/v2/permissions.deletePermission", operation(permissions::delete))
        .route("/v2/permissions.createRole", operation(roles::create))
        .route("/v2/permissions.getRole", operation(roles::get))
        .route("/v2/permissions.listRoles", operation(roles::list))
        .route("/v2/permissions.deleteRole", operation(roles::delete))
        .route("/v2/permissions.setRolePermissions", operation(roles::set_permissions))
        .route("/v2/{*operation}", any(not_served))
}
