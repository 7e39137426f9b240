//! The claims of a client assertion, in a JWT that is otherwise well-formed.
#![no_main]

use countersign_protocol::ClientAssertion;
use countersign_protocol::jose::base64url;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], Option<&str>, &str)| {
    let (payload, client_id, raw) = input;
    let header = base64url::encode(br#"{"alg":"ES256"}"#);
    let jwt = format!("{header}.{}.{}", base64url::encode(payload), base64url::encode(&[1; 64]));
    for jwt in [jwt.as_str(), raw] {
        let assertion = ClientAssertion::new(jwt, client_id);
        if let Ok(unverified) = assertion.parse() {
            assert!(client_id.is_none_or(|id| id == unverified.client_id()), "another client than the parameter says");
        }
    }
});
