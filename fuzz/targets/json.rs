//! Strict JSON objects: whatever is accepted, the usual parser reads the same.
#![no_main]

use countersign_protocol::jose::json::strict_object;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(members) = strict_object(bytes) {
        let usual: Value = serde_json::from_slice(bytes).expect("the usual parser accepts it");
        assert_eq!(usual, Value::Object(members));
    }
});
