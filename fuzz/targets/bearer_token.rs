//! The bearer token of a request's headers.
#![no_main]

use countersign_verify::Presented;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|values: Vec<Vec<u8>>| {
    let mut headers = HeaderMap::new();
    for value in values.iter().take(4).filter_map(|value| HeaderValue::from_bytes(value).ok()) {
        headers.append(AUTHORIZATION, value);
    }
    if let Ok(presented) = Presented::from_headers(&headers) {
        assert_eq!(headers.len(), 1, "one header");
        assert!(!presented.token().is_empty() && !presented.token().contains([' ', '\t']));
    }
});
