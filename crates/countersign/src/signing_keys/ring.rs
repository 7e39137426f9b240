//! The keys of one authorization server, parsed and ready.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use countersign_protocol::jose::{Algorithm, Jwk, JwkSet, KeyType, SigningKey, base64url};

use super::SigningKeyState;
use crate::ids::SigningKeyId;

/// A parsed signing key.
#[derive(Debug)]
pub struct ParsedKey {
    /// The `kid`.
    pub id: SigningKeyId,
    /// The private key.
    pub key: SigningKey,
}

/// The JWK Set as it is served.
#[derive(Clone, Debug)]
pub struct KeySetDocument {
    /// Its bytes.
    pub bytes: Bytes,
    /// A strong entity tag, quotes included.
    pub etag: String,
}

/// Which keys sign, and which are published.
#[derive(Debug)]
pub struct KeyRing {
    active: Vec<Arc<ParsedKey>>,
    document: KeySetDocument,
    /// Parsed when the first token is presented to us.
    key_set: OnceLock<JwkSet>,
}

impl KeyRing {
    /// A ring from every key of an authorization server.
    pub fn new(mut keys: Vec<(SigningKeyState, Arc<ParsedKey>)>) -> Self {
        // RSA first: some verifiers stop at a key of another type. Then the key that signs.
        keys.sort_by_key(|(state, parsed)| {
            (parsed.key.algorithm().key_type() != KeyType::Rsa, parsed.key.algorithm(), *state, parsed.id.clone())
        });
        let jwks: Vec<Jwk> = keys.iter().map(|(_, parsed)| parsed.key.public_jwk(parsed.id.as_str())).collect();
        let document = serde_json::to_vec(&serde_json::json!({ "keys": jwks })).unwrap_or_default();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &document);
        let etag = format!("\"{}\"", base64url::encode(digest.as_ref()));
        let active = keys.into_iter().filter(|(state, _)| *state == SigningKeyState::Active).map(|(_, parsed)| parsed).collect();
        Self { active, document: KeySetDocument { bytes: document.into(), etag }, key_set: OnceLock::new() }
    }

    /// The key that signs with `algorithm`.
    pub fn active(&self, algorithm: Algorithm) -> Option<&Arc<ParsedKey>> {
        self.active.iter().find(|parsed| parsed.key.algorithm() == algorithm)
    }

    /// The algorithms in use, RSA first.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        self.active.iter().map(|parsed| parsed.key.algorithm()).collect()
    }

    /// The published keys, ready to verify with.
    pub fn key_set(&self) -> &JwkSet {
        // An authorization server without keys has an empty set.
        self.key_set.get_or_init(|| JwkSet::parse(&self.document.bytes).unwrap_or_default())
    }

    /// The JWK Set.
    pub const fn document(&self) -> &KeySetDocument {
        &self.document
    }
}
