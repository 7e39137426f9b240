//! Client authentication in the header and in the body.
#![no_main]

use countersign_protocol::{Parameters, parse_client_authentication};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<Vec<u8>>, Vec<u8>)| {
    let (headers, body) = &input;
    let Ok(parameters) = Parameters::from_form(body) else { return };
    let _ = parse_client_authentication(headers.iter().take(4).map(Vec::as_slice), &parameters);
});
