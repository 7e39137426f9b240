//! The claims of a record of the status feed, honestly signed: what is read is written, and
//! then reads as the same.
#![no_main]

use std::sync::LazyLock;

use countersign_protocol::jose::{Algorithm, SigningInput, SigningKey};
use countersign_protocol::status::{FeedKeys, RECORD_JWT_TYPE, Record};
use libfuzzer_sys::fuzz_target;

/// A key of a feed, and its public half.
static KEY: LazyLock<(SigningKey, FeedKeys)> = LazyLock::new(|| {
    let pkcs8 = SigningKey::generate(Algorithm::EdDSA).expect("a key");
    let key = SigningKey::from_pkcs8(Algorithm::EdDSA, &pkcs8).expect("the same key");
    let keys = serde_json::json!({ "keys": [key.public_jwk("k")] }).to_string();
    (key, FeedKeys::parse(keys.as_bytes()).expect("a set"))
});

fuzz_target!(|claims: &str| {
    let (key, keys) = &*KEY;
    assert!(Record::open(claims, keys).is_err(), "a signature out of nothing");
    let input = SigningInput::of_json(Algorithm::EdDSA, "k", RECORD_JWT_TYPE, claims);
    let signature = key.sign(input.as_str().as_bytes()).expect("a signature");
    if let Ok(record) = Record::open(&input.with_signature(&signature), keys) {
        let again = record.sign(key, "k").expect("a signature");
        // Not the record itself: times beyond the last millisecond come back as that.
        let reread = Record::open(&again, keys).expect("what we signed is read");
        assert_eq!(reread.sign(key, "k").as_deref(), Ok(again.as_str()));
    }
});
