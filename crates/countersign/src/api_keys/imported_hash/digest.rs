//! Digests without a salt, and the keys of those that have one.

use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use countersign_protocol::Secret;

use crate::ids::ImportKeyId;

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl DigestAlgorithm {
    pub(super) const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// As it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The function with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// Bytes of a digest.
    pub const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// Makes HMACs under one import key.
pub struct ImportSecret {
    sha256: hmac::Key,
    sha512: hmac::Key,
}

impl ImportSecret {
    /// From the key's bytes.
    pub fn new(key: &Secret<Vec<u8>>) -> Self {
        let of = |algorithm| hmac::Key::new(algorithm, key.expose());
        Self { sha256: of(hmac::HMAC_SHA256), sha512: of(hmac::HMAC_SHA512) }
    }
}

/// The opened import keys.
#[derive(Default)]
pub struct ImportKeys {
    by_id: HashMap<ImportKeyId, ImportSecret>,
}

impl ImportKeys {
    /// These keys.
    pub fn new(keys: impl IntoIterator<Item = (ImportKeyId, ImportSecret)>) -> Self {
        Self { by_id: keys.into_iter().collect() }
    }

    /// Whether there is such a key.
    pub fn has(&self, id: &ImportKeyId) -> bool {
        self.by_id.contains_key(id)
    }

    /// The digest of `text`, an HMAC where a key is named; `None`: that key is gone.
    pub(super) fn digest(&self, algorithm: DigestAlgorithm, key: Option<&ImportKeyId>, text: &str) -> Option<Vec<u8>> {
        let Some(key) = key else {
            let function = match algorithm {
                DigestAlgorithm::Sha256 => &digest::SHA256,
                DigestAlgorithm::Sha512 => &digest::SHA512,
            };
            return Some(digest::digest(function, text.as_bytes()).as_ref().to_vec());
        };
        let secret = self.by_id.get(key)?;
        let key = match algorithm {
            DigestAlgorithm::Sha256 => &secret.sha256,
            DigestAlgorithm::Sha512 => &secret.sha512,
        };
        Some(hmac::sign(key, text.as_bytes()).as_ref().to_vec())
    }
}

impl fmt::Debug for ImportKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.by_id.keys()).finish()
    }
}

/// Reads a digest: hex of any case, or base64 of either alphabet, padded or not.
pub(super) fn decode(text: &str, algorithm: DigestAlgorithm) -> Option<Vec<u8>> {
    let length = algorithm.length();
    if text.len() == 2 * length {
        return hex(text);
    }
    base64(text).filter(|bytes| bytes.len() == length)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes().chunks(2).map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// Base64 (RFC 4648) in either alphabet; the bits beyond the last byte are zero.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let bare = text.trim_end_matches('=');
    let padding = text.len() - bare.len();
    if padding > 0 && (padding > 2 || !text.len().is_multiple_of(4)) {
        return None;
    }
    let (is_standard, is_url) = (bare.contains(['+', '/']), bare.contains(['-', '_']));
    if is_standard && is_url {
        return None;
    }
    STANDARD_NO_PAD.decode(bare.replace('-', "+").replace('_', "/")).ok()
}
