//! The management API, `/manage/v1`: handlers, and what they share. Every handler
//! reads its request, asks for one right, calls one use-case and renders.

mod audit;
mod body;
mod caller;
mod clients;
mod idempotency;
mod openapi;
mod organizations;
mod page;
mod refusal;
mod reply;
mod router;
mod time;
mod version;

pub use openapi::document;
pub(super) use router::routes;
