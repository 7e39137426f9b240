//! Encryption at rest: AES-256-GCM under the master key, bound to the row by
//! its id as associated data.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};
use countersign_protocol::Secret;
use countersign_protocol::jose::base64url;

/// Names the format, so that another can follow.
const FORMAT: &str = "v1.";
const NONCE_LENGTH: usize = 12;

/// The instance's master key, ready for use.
pub struct MasterKey(RandomizedNonceKey);

/// A sealed value cannot be opened, or a value cannot be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealingError {
    /// Other master key, other row, or changed bytes.
    #[error("the sealed value does not open with this master key")]
    Open,
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
        RandomizedNonceKey::new(&AES_256_GCM, bytes.expose()).map(Self).map_err(|_| SealingError::Seal)
    }

    /// Seals `plain` for the row `row_id`.
    ///
    /// # Errors
    /// [`SealingError::Seal`].
    pub fn seal(&self, row_id: &str, plain: &Secret<Vec<u8>>) -> Result<String, SealingError> {
        let mut bytes = plain.expose().clone();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(row_id.as_bytes()), &mut bytes).map_err(|_| SealingError::Seal)?;
        let sealed = [nonce.as_ref().as_slice(), &bytes].concat();
        Ok(format!("{FORMAT}{}", base64url::encode(&sealed)))
    }

    /// Opens what [`MasterKey::seal`] made for the same row.
    ///
    /// # Errors
    /// [`SealingError::Open`].
    pub fn open(&self, row_id: &str, sealed: &str) -> Result<Secret<Vec<u8>>, SealingError> {
        let bytes = sealed.strip_prefix(FORMAT).and_then(base64url::decode).ok_or(SealingError::Open)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LENGTH).ok_or(SealingError::Open)?;
        let nonce = <&[u8; NONCE_LENGTH]>::try_from(nonce).map_err(|_| SealingError::Open)?;
        let mut sealed = sealed.to_vec();
        let plain =
            self.0.open_in_place(nonce.into(), Aad::from(row_id.as_bytes()), &mut sealed).map_err(|_| SealingError::Open)?;
        Ok(Secret::new(plain.to_vec()))
    }
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
}
