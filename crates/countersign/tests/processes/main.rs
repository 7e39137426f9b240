//! The product as real processes: the binary, its databases, other programs that
//! use it, and what happens when one of them is stopped, killed or cut off.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests, where these are allowed"
)]

#[path = "../integration/support/acme_server.rs"]
mod acme_server;
mod cli;
mod cli_faults;
mod config;
mod database_tls;
mod declaration;
mod dev;
mod doctor;
mod drain;
mod durability;
mod error_pages;
mod explain;
mod faults;
mod keys;
mod keys_at_services;
mod logs;
mod node_changes;
mod partner;
mod profiles;
mod revocation;
mod rotation;
mod secrets;
mod sizes;
mod status_feed;
mod support;
mod tls;
mod traces;
