//! The identifier of a resource server (the `aud` of its tokens).

use std::fmt;

/// Longest audience identifier, in bytes.
const MAX_LENGTH: usize = 512;

/// An audience: 1 to 512 visible ASCII characters without quotes or backslash.
/// Compared byte for byte; never normalised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Audience(Box<str>);

/// The text is no audience identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an audience has 1 to {MAX_LENGTH} visible ASCII characters without `\"` and `\\`")]
pub struct InvalidAudience;

impl Audience {
    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for Audience {
    type Error = InvalidAudience;

    fn try_from(text: &str) -> Result<Self, InvalidAudience> {
        let legal = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if text.is_empty() || text.len() > MAX_LENGTH || !text.bytes().all(legal) {
            return Err(InvalidAudience);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
