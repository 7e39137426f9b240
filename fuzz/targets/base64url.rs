//! Strict base64url: what is decoded has exactly one encoding.
#![no_main]

use countersign_protocol::jose::base64url;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(bytes) = base64url::decode(text) {
        assert_eq!(base64url::encode(&bytes), text);
    }
    assert_eq!(base64url::decode(&base64url::encode(text.as_bytes())).as_deref(), Some(text.as_bytes()));
});
