//! A status list as CWT as anybody may send it: nothing that the key did not sign is read.
#![no_main]

use std::sync::LazyLock;

use countersign_protocol::Timestamp;
use countersign_protocol::jose::{Algorithm, JwkSet, SigningKey};
use countersign_protocol::status::StatusListToken;
use libfuzzer_sys::fuzz_target;

/// The keys of an issuer.
static KEYS: LazyLock<JwkSet> = LazyLock::new(|| {
    let pkcs8 = SigningKey::generate(Algorithm::EdDSA).expect("a key");
    let key = SigningKey::from_pkcs8(Algorithm::EdDSA, &pkcs8).expect("the same key");
    let keys = serde_json::json!({ "keys": [key.public_jwk("k")] }).to_string();
    JwkSet::parse(keys.as_bytes()).expect("a set")
});

fuzz_target!(|bytes: &[u8]| {
    let opened = StatusListToken::open_cwt(bytes, &KEYS, "https://a.test/s", Timestamp::from_seconds(1_000));
    assert!(opened.is_err(), "a signature out of nothing");
});
