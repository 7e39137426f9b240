//! `/manage/v1/...`.

use super::ENGINE;

mod audit;
mod authorization_servers;
mod bodies;
mod clients;
mod credentials;
mod grants;
mod idempotency;
mod key_changes;
mod key_counting;
mod key_usage;
mod key_verification;
mod keys;
mod lists;
mod organizations;
mod privileges;
mod resource_servers;
mod roles;
mod routes;
