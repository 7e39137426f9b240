//! The public keys that a client registers: nothing private is ever kept.
#![no_main]

use countersign_protocol::jose::RegisteredKeys;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|document: &[u8]| {
    if let Ok(keys) = RegisteredKeys::parse(document) {
        let kept: Value = serde_json::from_str(keys.document()).expect("what is kept is JSON");
        for key in kept["keys"].as_array().expect("a list") {
            for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
                assert!(key.get(member).is_none(), "{member} is private");
            }
        }
        assert!(keys.iter().count() > 0);
    }
});
