//! Encryption at rest: AES-256-GCM under the master key, bound to the row by
//! its id as associated data.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};
use countersign_protocol::Secret;
use countersign_protocol::jose::base64url;

/// Names the format, so that another can follow.
const FORMAT: &str = "v1.";
const NONCE_LENGTH: usize = 12;

/// The instance's master key, ready for use; while it is being replaced, with the
/// one before it. Cheap to clone.
#[derive(Clone)]
pub struct MasterKey {
    key: Arc<RandomizedNonceKey>,
    previous: Option<Arc<RandomizedNonceKey>>,
}

/// A sealed value cannot be opened, or a value cannot be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealingError {
    /// Other master key, other row, or changed bytes.
    #[error("the sealed value does not open with this master key")]
    Open,
    /// What is sealed now could not be opened by the other nodes.
    #[error("the database is sealed by another master key than this process seals with: see `countersign master-key rewrap`")]
    OtherMasterKey,
    /// The cryptographic library refused.
    #[error("the cryptographic library refused to seal")]
    Seal,
}

impl MasterKey {
    /// A master key from its 32 bytes.
    ///
    /// # Errors
    /// [`SealingError::Seal`] when the length is not 32.
    pub fn new(bytes: &Secret<Vec<u8>>) -> Result<Self, SealingError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes.expose()).map_err(|_| SealingError::Seal)?;
        Ok(Self { key: Arc::new(key), previous: None })
    }

    /// The same key, which also opens what `previous` sealed.
    #[must_use]
    pub fn or_previous(self, previous: &Self) -> Self {
        Self { previous: Some(Arc::clone(&previous.key)), ..self }
    }

    /// Whether it sealed this value itself, not the key before it.
    pub fn has_sealed(&self, row_id: &str, sealed: &str) -> bool {
        open_with(&self.key, row_id, sealed).is_ok()
    }

    /// Seals `plain` for the row `row_id`.
    ///
    /// # Errors
    /// [`SealingError::Seal`].
    pub fn seal(&self, row_id: &str, plain: &Secret<Vec<u8>>) -> Result<String, SealingError> {
        let mut bytes = plain.expose().clone();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(row_id.as_bytes()), &mut bytes).map_err(|_| SealingError::Seal)?;
        let sealed = [nonce.as_ref().as_slice(), &bytes].concat();
        Ok(format!("{FORMAT}{}", base64url::encode(&sealed)))
    }

    /// Opens what [`MasterKey::seal`] made for the same row.
    ///
    /// # Errors
    /// [`SealingError::Open`].
    pub fn open(&self, row_id: &str, sealed: &str) -> Result<Secret<Vec<u8>>, SealingError> {
        let opened = open_with(&self.key, row_id, sealed);
        match &self.previous {
            Some(previous) if opened.is_err() => open_with(previous, row_id, sealed),
            Some(_) | None => opened,
        }
    }
}

fn open_with(key: &RandomizedNonceKey, row_id: &str, sealed: &str) -> Result<Secret<Vec<u8>>, SealingError> {
    let bytes = sealed.strip_prefix(FORMAT).and_then(base64url::decode).ok_or(SealingError::Open)?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_LENGTH).ok_or(SealingError::Open)?;
    let nonce = <&[u8; NONCE_LENGTH]>::try_from(nonce).map_err(|_| SealingError::Open)?;
    let mut sealed = sealed.to_vec();
    let plain = key.open_in_place(nonce.into(), Aad::from(row_id.as_bytes()), &mut sealed).map_err(|_| SealingError::Open)?;
    Ok(Secret::new(plain.to_vec()))
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> MasterKey {
        MasterKey::new(&Secret::new(vec![byte; 32])).unwrap()
    }

    #[test]
    fn opens_only_with_the_same_key_for_the_same_row_unchanged() {
        let sealed = key(1).seal("sk_a", &Secret::new(b"private".to_vec())).unwrap();
        assert_eq!(key(1).open("sk_a", &sealed).unwrap().expose(), b"private");
        assert_eq!(key(2).open("sk_a", &sealed).unwrap_err(), SealingError::Open);
        assert_eq!(key(1).open("sk_b", &sealed).unwrap_err(), SealingError::Open);
        for broken in ["", "v1.", "v1.AAAA", "v2.AAAA", &sealed[..sealed.len() - 4]] {
            assert_eq!(key(1).open("sk_a", broken).unwrap_err(), SealingError::Open, "{broken}");
        }
        assert_ne!(sealed, key(1).seal("sk_a", &Secret::new(b"private".to_vec())).unwrap());
    }

    #[test]
    fn a_key_with_a_previous_one_opens_both_and_seals_with_the_new_one() {
        let both = key(2).or_previous(&key(1));
        let plain = Secret::new(b"private".to_vec());
        let (old, new) = (key(1).seal("sk_a", &plain).unwrap(), both.seal("sk_a", &plain).unwrap());
        for sealed in [&old, &new] {
            assert_eq!(both.open("sk_a", sealed).unwrap().expose(), b"private");
        }
        assert!(both.has_sealed("sk_a", &new) && !both.has_sealed("sk_a", &old));
        assert!(key(1).open("sk_a", &new).is_err() && key(2).open("sk_a", &new).is_ok());
        assert!(both.open("sk_b", &old).is_err());
    }
}
