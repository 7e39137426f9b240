//! The verifier as its users meet it: tokens, keys, answers, frameworks.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests, where these are allowed")]

mod answers;
#[cfg(feature = "api-keys")]
mod api_keys;
#[cfg(feature = "api-keys")]
mod api_keys_http;
mod attacks;
#[cfg(all(feature = "axum", feature = "tower"))]
mod axum_extractor;
#[cfg(feature = "testing")]
mod bad_tokens;
mod claims;
mod dependencies;
#[cfg(all(feature = "axum", feature = "testing"))]
mod examples;
#[cfg(feature = "testing")]
mod explanation;
#[cfg(feature = "http")]
mod http_fetch;
#[cfg(feature = "introspection")]
mod introspection;
#[cfg(feature = "introspection")]
mod introspection_http;
mod issuers;
mod key_discovery;
mod key_faults;
mod key_rotation;
mod key_times;
#[cfg(all(feature = "metrics", feature = "testing"))]
mod metrics;
mod requirements;
mod resource_metadata;
#[cfg(all(feature = "axum", feature = "testing"))]
mod same_answers;
#[cfg(feature = "http")]
mod server;
#[cfg(feature = "status")]
mod status_feed;
#[cfg(feature = "status")]
mod status_lists;
#[cfg(feature = "status")]
mod status_server;
mod support;
#[cfg(feature = "tower")]
mod tower_layer;
