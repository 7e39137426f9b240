//! A token request.
#![no_main]

use countersign_protocol::{Parameters, TokenRequest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for parameters in [Parameters::from_form(body), Parameters::from_json(body)].into_iter().flatten() {
        if let Ok(TokenRequest::ClientCredentials(_)) = TokenRequest::parse(&parameters) {
            assert_eq!(parameters.find("grant_type"), Some("client_credentials"));
        }
    }
});
