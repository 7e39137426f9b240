//! A JWK Set as an issuer or a client serves it.
#![no_main]

use countersign_protocol::jose::JwkSet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &[u8]| {
    if let Ok(set) = JwkSet::parse(document) {
        for key_id in set.key_ids() {
            let key = set.find(Some(key_id)).expect("a key that is listed is found");
            assert!(!key.verifies(b"message", b"signature"));
        }
    }
});
