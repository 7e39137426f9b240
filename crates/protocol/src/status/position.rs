//! A place in a feed.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};

use crate::jose::base64url;

/// Bytes of a digest that are kept.
const DIGEST_BYTES: usize = 16;

/// Which record of which feed: `{epoch}-{seq}`. A feed is one run of one node: what
/// another wrote has another epoch and does not continue it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which feed; random.
    pub epoch: u64,
    /// The number of the record, from 1.
    pub seq: u64,
}

/// The text is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a position of a status feed: {{epoch}}-{{seq}}")]
pub struct InvalidPosition;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.epoch, self.seq)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (epoch, seq) = text.split_once('-').ok_or(InvalidPosition)?;
        let epoch = u64::from_str_radix(epoch, 16).map_err(|_| InvalidPosition)?;
        let position = Self { epoch, seq: seq.parse().map_err(|_| InvalidPosition)? };
        // One text for each position.
        if position.to_string() == text { Ok(position) } else { Err(InvalidPosition) }
    }
}

/// What a record is recognised by: the first half of its SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainDigest([u8; DIGEST_BYTES]);

impl ChainDigest {
    /// The digest of a signed record.
    pub fn of(record: &str) -> Self {
        let mut kept = [0; DIGEST_BYTES];
        kept.iter_mut().zip(digest(&SHA256, record.as_bytes()).as_ref()).for_each(|(kept, byte)| *kept = *byte);
        Self(kept)
    }

    /// Reads the form of [`ChainDigest::to_text`].
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(base64url::decode(text)?.try_into().ok()?))
    }

    /// base64url.
    pub fn to_text(self) -> String {
        base64url::encode(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_has_one_text() {
        let position = Position { epoch: 0xabc, seq: 88_123 };
        assert_eq!(position.to_string(), "0000000000000abc-88123");
        assert_eq!(position.to_string().parse(), Ok(position));
        for bad in ["", "1", "abc-1", "0000000000000abc-", "0000000000000ABC-1", "0000000000000abc-01", "0000000000000abc--1"] {
            assert_eq!(bad.parse::<Position>(), Err(InvalidPosition), "{bad}");
        }
    }

    #[test]
    fn a_digest_reads_back_and_differs_with_the_record() {
        let digest = ChainDigest::of("a");
        assert_eq!(ChainDigest::parse(&digest.to_text()), Some(digest));
        assert_ne!(digest, ChainDigest::of("b"));
        assert_eq!(ChainDigest::parse("AA"), None);
    }
}
