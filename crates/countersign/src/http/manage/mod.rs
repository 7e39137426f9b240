//! The management API, `/manage/v1`: handlers, and what they share. Every handler
//! reads its request, asks for one right, calls one use-case and renders.

mod audit;
mod authorization_servers;
mod body;
mod caller;
mod clients;
mod credentials;
mod grants;
mod idempotency;
mod import_keys;
mod introspection_clients;
mod key_import;
mod key_policy;
mod key_usage;
mod keys;
mod limits;
mod mounts;
mod openapi;
mod organizations;
mod page;
mod path;
mod refusal;
mod refusals;
mod reply;
mod resource_servers;
mod revocations;
mod roles;
mod router;
mod signing_keys;
mod status_feed;
mod time;
mod token_keys;
mod usage;
mod version;

pub(super) use caller::Caller;
pub(super) use keys::reachable as reachable_key;
pub(super) use keys::verify::verify as verify_keys;
pub use openapi::document;
pub(super) use page::{PageQuery, next_cursor};
pub(super) use refusal::Refusal;
pub(super) use resource_servers::reachable as reachable_resource_server;
pub(super) use router::routes;
