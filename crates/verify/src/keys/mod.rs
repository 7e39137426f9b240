//! The issuer's keys: where they come from and how long they are kept.

pub(crate) mod cache;
mod freshness;
#[cfg(feature = "http")]
pub(crate) mod http;
mod remote;
mod source;
mod unknown;

pub(crate) use cache::{KeyCache, KeyCacheSettings, Need, UnknownKey, Usable};
pub use remote::{KeysUnavailable, RemoteKeys};
pub(crate) use source::Source;
pub use source::{Fetch, FetchError, FetchFuture, FetchRequest, Fetched};
