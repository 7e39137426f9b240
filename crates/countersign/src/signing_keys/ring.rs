//! The keys of one authorization server, ready for use.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use countersign_protocol::jose::{Algorithm, Jwk, JwkSet, KeyType, base64url};

use super::{Signer, SigningKeyState};
use crate::ids::SigningKeyId;

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
    active: Vec<Arc<dyn Signer>>,
    /// Every key in the document, in its order.
    published: Vec<(SigningKeyId, Algorithm)>,
    document: KeySetDocument,
    /// Parsed when the first token is presented to us.
    key_set: OnceLock<JwkSet>,
}

impl KeyRing {
    /// A ring from every key of an authorization server that is not retired.
    pub fn new(mut keys: Vec<(SigningKeyState, Arc<dyn Signer>)>) -> Self {
        // RSA first: some verifiers stop at a key of another type. Then the key that signs.
        keys.sort_by_key(|(state, key)| {
            (key.algorithm().key_type() != KeyType::Rsa, key.algorithm(), *state, key.key_id().clone())
        });
        let jwks: Vec<Jwk> = keys.iter().map(|(_, key)| key.public_jwk()).collect();
        let document = serde_json::to_vec(&serde_json::json!({ "keys": jwks })).unwrap_or_default();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &document);
        let etag = format!("\"{}\"", base64url::encode(digest.as_ref()));
        let published = keys.iter().map(|(_, key)| (key.key_id().clone(), key.algorithm())).collect();
        let active = keys.into_iter().filter(|(state, _)| *state == SigningKeyState::Active).map(|(_, key)| key).collect();
        Self { active, published, key_set: OnceLock::new(), document: KeySetDocument { bytes: document.into(), etag } }
    }

    /// The key that signs with `algorithm`.
    pub fn active(&self, algorithm: Algorithm) -> Option<&Arc<dyn Signer>> {
        self.active.iter().find(|key| key.algorithm() == algorithm)
    }

    /// Whether the JWK Set has a key.
    pub fn publishes(&self, id: &SigningKeyId) -> bool {
        self.published.iter().any(|(published, _)| published == id)
    }

    /// The algorithms of the JWK Set, RSA first: what tokens may be, or may soon be,
    /// signed with.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let mut algorithms: Vec<Algorithm> = self.published.iter().map(|(_, algorithm)| *algorithm).collect();
        algorithms.dedup();
        algorithms
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
