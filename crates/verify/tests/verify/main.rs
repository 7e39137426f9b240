//! The verifier as its users meet it: tokens, keys, answers, frameworks.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests, where these are allowed")]

mod answers;
mod attacks;
#[cfg(all(feature = "axum", feature = "tower"))]
mod axum_extractor;
mod claims;
mod dependencies;
#[cfg(feature = "http")]
mod http_fetch;
mod key_discovery;
mod key_faults;
mod key_rotation;
mod key_times;
mod requirements;
mod support;
#[cfg(feature = "tower")]
mod tower_layer;
