//! The parameters of a request, as a form and as JSON.
#![no_main]

use countersign_protocol::Parameters;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for parameters in [Parameters::from_form(body), Parameters::from_json(body)].into_iter().flatten() {
        for name in ["grant_type", "client_id", "client_secret", "scope"] {
            assert!(parameters.all(name).count() <= 1, "{name} is read once");
        }
    }
});
