//! A private key, PKCS#8.
#![no_main]

use countersign_protocol::Secret;
use countersign_protocol::jose::{Algorithm, SigningKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|der: &[u8]| {
    let pkcs8 = Secret::new(der.to_vec());
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let _ = SigningKey::from_pkcs8(algorithm, &pkcs8);
    }
});
