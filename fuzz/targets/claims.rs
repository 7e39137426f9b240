//! The payload of an access token.
#![no_main]

use countersign_protocol::jose::Claims;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    if let Ok(claims) = Claims::parse(payload) {
        assert_eq!(claims.all.get("iss").and_then(|value| value.as_str()), Some(claims.issuer.as_str()));
        assert!(claims.all.get("exp").is_some_and(|value| value.is_number()));
        assert!(claims.expires_at.as_seconds() >= 0);
    }
});
