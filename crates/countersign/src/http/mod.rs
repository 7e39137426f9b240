//! HTTP: handlers, middleware, error encoders, and the server that runs them.
//! Handlers parse, call one use-case, and render.

mod acme;
mod answer;
mod arrival;
mod body;
mod decoder;
mod error_pages;
mod errors;
mod handed_over;
mod health;
mod hot;
mod impatient;
mod leak_reports;
mod listener;
mod manage;
mod metrics;
mod middleware;
mod oauth;
mod router;
mod serve;
mod site;
mod source_address;
mod ssf;
mod status;
mod unkey;

pub use acme::challenge_router;
pub use handed_over::{HandedOver, UnusedSocket};
pub use listener::{BindError, Endpoint, Listeners, bind};
pub use manage::document as management_document;
pub use metrics::metrics_router;
pub use router::{SiteOptions, site};
pub use serve::{PeerAddress, ServeOptions, serve, serve_all};
pub use site::Site;
