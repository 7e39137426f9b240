//! Client identifiers (RFC 6749 section 2.2).

use std::fmt;

/// A client identifier: 6 to 100 characters of `[A-Za-z0-9_-]`, so that raw and
/// form-encoded Basic credentials (RFC 6749 section 2.3.1) are the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Box<str>);

/// The text is no client identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client_id has 6 to 100 characters of A-Z a-z 0-9 _ -")]
pub struct InvalidClientId;

impl ClientId {
    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for ClientId {
    type Error = InvalidClientId;

    fn try_from(text: &str) -> Result<Self, InvalidClientId> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !(6..=100).contains(&text.len()) || !text.bytes().all(legal) {
            return Err(InvalidClientId);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
