//! JWK Sets (RFC 7517 section 5).

use std::collections::HashMap;

use serde_json::Value;

use super::json::strict_object;
use super::{Jwk, VerificationKey};

/// Largest accepted JWK Set, in bytes.
pub const MAX_JWK_SET_BYTES: usize = 256 * 1024;
/// Most keys of one set: bounds the work of parsing it.
const MAX_KEYS: usize = 128;

/// The usable keys of a set, by `kid`.
#[derive(Clone, Debug, Default)]
pub struct JwkSet {
    keys: HashMap<String, VerificationKey>,
    skipped: usize,
}

/// Why a document is not a JWK Set. A single bad key never spoils the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkSetError {
    /// Not a JSON object with an array `keys` of at most 128 objects.
    #[error("the document is not a JWK Set")]
    Malformed,
    /// Larger than [`MAX_JWK_SET_BYTES`].
    #[error("the JWK Set is larger than {MAX_JWK_SET_BYTES} bytes")]
    TooLarge,
    /// No key of the set can verify a signature.
    #[error("the JWK Set has no usable key")]
    NoUsableKey,
}

impl JwkSet {
    /// Parses a set. Keys that are no sound public signature keys are skipped, and
    /// so are all keys that share a `kid`: exactly one key may match a token.
    ///
    /// # Errors
    /// [`JwkSetError`] when the document is no set or no key of it can be used.
    pub fn parse(document: &[u8]) -> Result<Self, JwkSetError> {
        if document.len() > MAX_JWK_SET_BYTES {
            return Err(JwkSetError::TooLarge);
        }
        let members = strict_object(document).map_err(|_| JwkSetError::Malformed)?;
        let Some(Value::Array(entries)) = members.get("keys") else { return Err(JwkSetError::Malformed) };
        if entries.len() > MAX_KEYS {
            return Err(JwkSetError::Malformed);
        }
        let mut by_id: HashMap<String, Option<VerificationKey>> = HashMap::new();
        for entry in entries {
            let Some((id, key)) = usable_key(entry) else { continue };
            by_id.entry(id).and_modify(|existing| *existing = None).or_insert(Some(key));
        }
        let keys: HashMap<_, _> = by_id.into_iter().filter_map(|(id, key)| key.map(|key| (id, key))).collect();
        if keys.is_empty() {
            return Err(JwkSetError::NoUsableKey);
        }
        let skipped = entries.len().saturating_sub(keys.len());
        Ok(Self { keys, skipped })
    }

    /// The key a token names. Without a `kid` the set's only key matches.
    pub fn find(&self, key_id: Option<&str>) -> Option<&VerificationKey> {
        match key_id {
            Some(key_id) => self.keys.get(key_id),
            None if self.keys.len() == 1 => self.keys.values().next(),
            None => None,
        }
    }

    /// Every usable key with its id, which is empty where it has none; in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &VerificationKey)> {
        self.keys.iter().map(|(id, key)| (id.as_str(), key))
    }

    #[cfg(weakened)]
    #[expect(missing_docs, reason = "not part of the library")]
    pub fn find_by_algorithm(&self, algorithm: super::Algorithm) -> Option<&VerificationKey> {
        self.keys.values().find(|key| key.algorithm() == algorithm)
    }

    /// How many keys of the document were skipped.
    pub const fn skipped(&self) -> usize {
        self.skipped
    }

    /// The ids of the usable keys, in no order.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }
}

fn usable_key(entry: &Value) -> Option<(String, VerificationKey)> {
    let jwk = Jwk::parse(entry.as_object()?).ok()?;
    let key = VerificationKey::from_jwk(&jwk).ok()?;
    Some((jwk.key_id().to_owned(), key))
}
