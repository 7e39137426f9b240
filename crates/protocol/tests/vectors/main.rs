//! Published test vectors and hostile tokens against the public JOSE API.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests, where these are allowed"
)]

mod cookbook;
mod json_suite;
mod primitives;
mod primitives_rsa;
mod refused_algorithms;
mod refused_keys;
mod refused_shapes;
mod refused_signatures;
mod rfc_examples;
mod round_trip;
mod status_list;
mod support;
mod wycheproof_jose;
