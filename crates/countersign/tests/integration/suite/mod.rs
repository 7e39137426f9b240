//! The tree follows the URLs; what has no URL yet comes after.

use super::ENGINE;

mod acme;
mod api_keys;
mod counters;
mod decoder;
mod error_pages;
mod health;
mod imported_keys;
mod leak_reports;
mod manage;
mod metrics;
mod nodes;
mod oauth;
mod oauth2;
mod objects;
mod refusals;
mod signing_keys;
mod sources;
mod ssf;
mod store;
mod traces;
mod unkey;
mod usage;
mod well_known;
