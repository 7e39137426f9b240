//! The tree follows the URLs; what has no URL yet comes after.

use super::ENGINE;

mod health;
mod metrics;
mod nodes;
mod oauth;
mod oauth2;
mod objects;
mod sources;
mod store;
mod traces;
mod well_known;
