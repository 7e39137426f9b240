//! The text of a machine-made credential: `prefix_` + id + secret + checksum.
//!
//! 12 base62 characters of id (safe to log), 43 of secret (256 bits), and 6 of
//! CRC-32 over all before, so that a typo can be told without a lookup and a
//! scanner can tell a leak from noise. Parsed from the right: the prefix is free.

use crate::Secret;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 12;
const SECRET_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;

/// A well-formed credential: the checksum matches. It may still be unknown.
#[derive(Clone, Debug)]
pub struct CredentialText {
    text: Secret<String>,
    id: String,
}

/// The text is no credential of this format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialTextError {
    /// Too short, no prefix, or a character outside `[A-Za-z0-9_]`.
    #[error("not a credential of the form prefix_ and 61 letters and digits")]
    Malformed,
    /// The checksum does not match: a typo, or a different kind of text.
    #[error("the checksum of the credential does not match")]
    Checksum,
}

impl CredentialText {
    /// Makes a credential from random bytes: 9 for the id and 32 for the secret.
    pub fn generate(prefix: &str, id_bytes: [u8; 9], secret_bytes: [u8; 32]) -> Self {
        let id = base62(&id_bytes, ID_LENGTH);
        let secret = Secret::new(base62(&secret_bytes, SECRET_LENGTH));
        let body = Secret::new(format!("{prefix}_{id}{}", secret.expose()));
        let text = Secret::new(format!("{}{}", body.expose(), checksum(body.expose())));
        Self { text, id }
    }

    /// Parses and checks the checksum.
    ///
    /// # Errors
    /// [`CredentialTextError`] when the text is not of the format.
    pub fn parse(text: &str) -> Result<Self, CredentialTextError> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let split = text.len().checked_sub(ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH).ok_or(CredentialTextError::Malformed)?;
        if !text.bytes().all(legal) {
            return Err(CredentialTextError::Malformed);
        }
        let (prefix, payload) = text.split_at(split);
        if prefix.len() < 2 || !prefix.ends_with('_') || payload.contains('_') {
            return Err(CredentialTextError::Malformed);
        }
        let (body, sum) = text.split_at(text.len() - CHECKSUM_LENGTH);
        if checksum(body) != sum {
            return Err(CredentialTextError::Checksum);
        }
        let id = payload.get(..ID_LENGTH).unwrap_or_default().to_owned();
        Ok(Self { text: Secret::new(text.to_owned()), id })
    }

    /// The id part: names the credential, safe to log.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole text, for the one reply that shows it and for hashing.
    pub const fn expose(&self) -> &String {
        self.text.expose()
    }
}

fn checksum(body: &str) -> String {
    base62(&crc32fast::hash(body.as_bytes()).to_be_bytes(), CHECKSUM_LENGTH)
}

/// Writes a big-endian number in base 62 with exactly `width` digits. The
/// widths used here hold the numbers used here: 62^12 > 2^71 covers 71 bits of a
/// 72-bit id, whose top bit is dropped by the modulus; 62^43 > 2^256; 62^6 > 2^32.
fn base62(number: &[u8], width: usize) -> String {
    let mut number = number.to_vec();
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in &mut number {
            let value = (remainder << 8) | u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            remainder = value % 62;
        }
        *digit = usize::try_from(remainder).ok().and_then(|index| ALPHABET.get(index)).copied().unwrap_or(b'0');
    }
    String::from_utf8(digits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> CredentialText {
        CredentialText::generate("csec", [7; 9], [9; 32])
    }

    #[test]
    fn what_is_generated_parses_back() {
        let made = sample();
        let parsed = CredentialText::parse(made.expose()).unwrap();
        assert_eq!(parsed.id(), made.id());
        assert_eq!(made.expose().len(), "csec_".len() + 61);
        assert!(CredentialText::parse(CredentialText::generate("acme_live", [1; 9], [2; 32]).expose()).is_ok());
    }

    #[test]
    fn every_single_character_change_is_caught() {
        let text = sample().expose().clone();
        for index in "csec_".len()..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(CredentialText::parse(&changed).unwrap_err(), CredentialTextError::Checksum, "{index}");
        }
    }

    #[test]
    fn other_text_is_malformed() {
        for text in ["", "csec_", "hunter2", &"a".repeat(61), &format!("_{}", "a".repeat(61)), &format!("c-c_{}", "a".repeat(61))] {
            assert_eq!(CredentialText::parse(text).unwrap_err(), CredentialTextError::Malformed, "{text}");
        }
    }

    #[test]
    fn debug_hides_the_secret() {
        let text = sample();
        assert!(!format!("{text:?}").contains(&text.expose()[20..40]));
    }

    #[test]
    fn base62_is_positional() {
        assert_eq!(base62(&[0, 62], 3), "010");
        assert_eq!(base62(&[61], 1), "z");
    }
}
