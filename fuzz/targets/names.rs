//! The small texts of the protocol: what is accepted is what is written again.
#![no_main]

use countersign_protocol::{Audience, ClientId, Issuer, Scope, ScopeToken};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(scope) = Scope::parse(text) {
        assert_eq!(Scope::parse(&scope.to_string()), Ok(scope));
    }
    if let Ok(token) = ScopeToken::try_from(text) {
        assert_eq!(token.as_str(), text);
    }
    if let Ok(audience) = Audience::try_from(text) {
        assert_eq!(audience.as_str(), text);
    }
    if let Ok(client_id) = ClientId::try_from(text) {
        assert_eq!(client_id.as_str(), text);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'));
    }
    if let Ok(issuer) = Issuer::try_from(text) {
        assert_eq!(issuer.as_str(), text);
        assert_eq!(format!("{}{}", issuer.origin(), issuer.path()), text);
    }
});
