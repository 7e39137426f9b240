//! A token as it was sent: nothing but the token that was signed has its signature.
#![no_main]

use std::sync::LazyLock;

use countersign_protocol::jose::{Algorithm, SigningKey, UnverifiedJws, VerificationKey, sign_jwt};
use libfuzzer_sys::fuzz_target;

/// A key, and a token that it signed.
static SIGNED: LazyLock<(VerificationKey, String)> = LazyLock::new(|| {
    let pkcs8 = SigningKey::generate(Algorithm::EdDSA).expect("a key");
    let key = SigningKey::from_pkcs8(Algorithm::EdDSA, &pkcs8).expect("the same key");
    let token = sign_jwt(&key, "k", "at+jwt", &serde_json::json!({ "sub": "a" })).expect("a token");
    (VerificationKey::from_jwk(&key.public_jwk("k")).expect("its public half"), token)
});

fuzz_target!(|input: (&str, u16, u8)| {
    let (key, token) = &*SIGNED;
    let (text, place, replacement) = input;
    if let Ok(jws) = UnverifiedJws::parse(text) {
        assert!(jws.verify(key).is_err(), "a signature out of nothing");
    }
    let mut bytes = token.clone().into_bytes();
    let place = usize::from(place) % bytes.len();
    bytes[place] = replacement;
    let Ok(changed) = String::from_utf8(bytes) else { return };
    if changed != *token && UnverifiedJws::parse(&changed).is_ok_and(|jws| jws.verify(key).is_ok()) {
        panic!("{changed} verifies as well");
    }
});
