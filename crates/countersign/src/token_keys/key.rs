//! Sealing the claims of a token into the text that its holder presents.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};
use countersign_protocol::jose::base64url;
use countersign_protocol::{Secret, Timestamp};

use crate::ids::{AuthorizationServerId, TokenKeyId};
use crate::sealing::SealingError;

/// What every opaque token begins with.
pub const TOKEN_PREFIX: &str = "cst_";
/// Names the format, so that another can follow.
const FORMAT: &str = "countersign opaque token 1";
const NONCE_LENGTH: usize = 12;
/// Tokens that one node seals under one key before a successor is due. The nonces of a
/// key are random, so all nodes together must stay far below 2^32; 64 of them may
/// come this far, or one that restarts as often.
pub(super) const DUE_AFTER_TOKENS: u64 = 1 << 26;
/// Tokens after which a node seals no more under a key, should no successor come.
const MOST_TOKENS: u64 = 1 << 30;

/// A key, ready for use.
pub struct TokenKey {
    id: TokenKeyId,
    seals_from: Timestamp,
    key: RandomizedNonceKey,
    /// By this node since it started.
    sealed: AtomicU64,
}

impl TokenKey {
    /// A key from its 32 bytes.
    ///
    /// # Errors
    /// [`SealingError::Seal`] when the length is not 32.
    pub fn new(id: TokenKeyId, seals_from: Timestamp, bytes: &Secret<Vec<u8>>) -> Result<Self, SealingError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes.expose()).map_err(|_| SealingError::Seal)?;
        Ok(Self { id, seals_from, key, sealed: AtomicU64::new(0) })
    }

    /// Its id: the `kid` that marks name.
    pub const fn id(&self) -> &TokenKeyId {
        &self.id
    }

    /// From when it seals new tokens.
    pub const fn seals_from(&self) -> Timestamp {
        self.seals_from
    }

    /// Whether this node has sealed so many tokens that a successor is due.
    pub(super) fn is_worn(&self) -> bool {
        self.sealed.load(Ordering::Relaxed) >= DUE_AFTER_TOKENS
    }

    /// A token of `server` with these claims.
    ///
    /// # Errors
    /// [`SealingError::Seal`], also when the key has sealed too many.
    pub fn seal(&self, server: &AuthorizationServerId, claims: &[u8]) -> Result<String, SealingError> {
        if self.sealed.fetch_add(1, Ordering::Relaxed) >= MOST_TOKENS {
            return Err(SealingError::Seal);
        }
        let mut bytes = claims.to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(self.bound_to(server)), &mut bytes);
        let nonce = nonce.map_err(|_| SealingError::Seal)?;
        let sealed = base64url::encode(&[nonce.as_ref().as_slice(), &bytes].concat());
        Ok(format!("{TOKEN_PREFIX}{}{sealed}", self.id.random_part()))
    }

    /// The claims of a token that [`TokenKey::seal`] made for the same server.
    ///
    /// # Errors
    /// [`SealingError::Open`].
    pub fn open(&self, server: &AuthorizationServerId, token: &str) -> Result<Vec<u8>, SealingError> {
        let sealed = token.strip_prefix(TOKEN_PREFIX).and_then(|rest| rest.strip_prefix(self.id.random_part()));
        let bytes = sealed.and_then(base64url::decode).ok_or(SealingError::Open)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LENGTH).ok_or(SealingError::Open)?;
        let nonce = <&[u8; NONCE_LENGTH]>::try_from(nonce).map_err(|_| SealingError::Open)?;
        let mut sealed = sealed.to_vec();
        let opened = self.key.open_in_place(nonce.into(), Aad::from(self.bound_to(server)), &mut sealed);
        opened.map(|claims| claims.to_vec()).map_err(|_| SealingError::Open)
    }

    fn bound_to(&self, server: &AuthorizationServerId) -> Vec<u8> {
        format!("{FORMAT} {} {server}", self.id).into_bytes()
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, byte: u8) -> TokenKey {
        TokenKey::new(TokenKeyId::from_stored(id), Timestamp::from_seconds(0), &Secret::new(vec![byte; 32])).unwrap()
    }

    #[test]
    fn opens_only_under_the_same_key_for_the_same_server_in_the_same_format() {
        let (one, other) = (AuthorizationServerId::default_server(), AuthorizationServerId::from_stored("other"));
        let token = key("tk_a", 1).seal(&one, b"{\"jti\":\"1\"}").unwrap();
        assert!(token.starts_with("cst_a") && !token.contains('.'), "{token}");
        assert_eq!(key("tk_a", 1).open(&one, &token).unwrap(), b"{\"jti\":\"1\"}");
        assert_eq!(key("tk_a", 2).open(&one, &token).unwrap_err(), SealingError::Open);
        assert_eq!(key("tk_b", 1).open(&one, &token.replacen("cst_a", "cst_b", 1)).unwrap_err(), SealingError::Open);
        assert_eq!(key("tk_a", 1).open(&other, &token).unwrap_err(), SealingError::Open);
        let mut bytes = b"{}".to_vec();
        let unnamed = key("tk_a", 1).key.seal_in_place_append_tag(Aad::from(b"tk_a default"), &mut bytes).unwrap();
        let unnamed = format!("cst_a{}", base64url::encode(&[unnamed.as_ref().as_slice(), &bytes].concat()));
        assert_eq!(key("tk_a", 1).open(&one, &unnamed).unwrap_err(), SealingError::Open);
    }

    #[test]
    fn a_key_is_worn_long_before_its_nonces_may_repeat_and_then_seals_no_more() {
        let (key, server) = (key("tk_a", 1), AuthorizationServerId::default_server());
        key.sealed.store(DUE_AFTER_TOKENS - 1, Ordering::Relaxed);
        assert!(!key.is_worn());
        key.seal(&server, b"{}").unwrap();
        assert!(key.is_worn());
        key.sealed.store(MOST_TOKENS, Ordering::Relaxed);
        assert_eq!(key.seal(&server, b"{}").unwrap_err(), SealingError::Seal);
    }
}
