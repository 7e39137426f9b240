//! Countersign: self-hosted machine-to-machine API authentication.
//!
//! Dependencies point one way: `http`, `cli` and `dev` use the use-cases
//! (`oauth`, `clients`, `resource_servers`, `authorization_servers`,
//! `signing_keys`), which use `store`. Only `store` imports an SQL driver, only
//! `config` reads the environment, only `outbound` makes an HTTP request.

pub mod acme;
pub mod api_keys;
pub mod app;
pub mod audit;
pub mod authorization_servers;
pub mod backup;
pub mod bases;
pub mod catalog;
pub mod change;
pub mod change_feed;
pub mod cli;
pub mod clients;
pub mod config;
pub mod counters;
pub mod declaration;
mod dev;
mod doctor;
pub mod entropy;
pub mod error_pages;
pub mod explain;
pub mod http;
pub mod ids;
pub mod instance;
pub mod jobs;
pub mod leak_reports;
pub mod limits;
pub mod log;
mod log_queue;
mod lookup_cache;
pub mod management;
mod master_key_file;
pub mod metrics;
pub mod oauth;
pub mod organizations;
pub mod outbound;
mod outside;
mod profiles;
pub mod refusals;
pub mod resource_servers;
pub mod revocation;
pub mod rewrap;
pub mod sealing;
pub mod signing_keys;
pub mod source_address;
pub mod ssf;
pub mod startup;
pub mod status_feed;
pub mod status_lists;
pub mod store;
pub mod timer;
pub mod tls;
pub mod token_keys;
pub mod traces;
pub mod usage;
