//! The status list itself: a few bits per token, deflated (Token Status List sections 4.1 and 4.2).

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::jose::base64url;

/// Largest list that is read, in bytes after inflating: 16,777,216 tokens of one bit.
pub const MAX_LIST_BYTES: usize = 2 * 1024 * 1024;

/// What a list says of a token (Token Status List section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStatus {
    /// 0x00: good.
    Valid,
    /// 0x01: revoked for good.
    Invalid,
    /// 0x02: not to be accepted for now.
    Suspended,
    /// A value that the application gives a meaning to.
    Other(u8),
}

impl From<u8> for TokenStatus {
    fn from(value: u8) -> Self {
        match value {
            0 => Self::Valid,
            1 => Self::Invalid,
            2 => Self::Suspended,
            other => Self::Other(other),
        }
    }
}

/// Why something is no status list that answers for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatusListError {
    /// `bits` is not 1, 2, 4 or 8.
    #[error("`bits` is not 1, 2, 4 or 8")]
    Bits,
    /// A claim is missing or of the wrong type.
    #[error("the claim {0} is missing or of the wrong type")]
    Claim(&'static str),
    /// `lst` is not base64url of a zlib stream.
    #[error("the list is not a deflated one")]
    Compression,
    /// `exp` has passed.
    #[error("the list has expired")]
    Expired,
    /// `iat` lies ahead of the clock.
    #[error("the list was issued in the future")]
    IssuedInFuture,
    /// The document is not what it should be.
    #[error("the document is no status list token")]
    Malformed,
    /// `sub` is not the URL that the token names.
    #[error("the list is about another URL")]
    OtherList,
    /// No key of the issuer has signed it.
    #[error("the signature is of none of the keys")]
    Signature,
    /// More than [`MAX_LIST_BYTES`].
    #[error("the list is larger than {MAX_LIST_BYTES} bytes")]
    TooLarge,
}

/// A list: `bits` per token, the first token in the lowest bits of the first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusList {
    bits: u8,
    bytes: Vec<u8>,
}

impl StatusList {
    /// `entries` tokens of one bit, all of them valid.
    pub fn new(entries: u32) -> Self {
        Self { bits: 1, bytes: vec![0; usize::try_from(entries.div_ceil(8)).unwrap_or_default()] }
    }

    /// A list from its bytes.
    ///
    /// # Errors
    /// [`StatusListError::Bits`], [`StatusListError::TooLarge`].
    pub fn from_bytes(bits: u8, bytes: Vec<u8>) -> Result<Self, StatusListError> {
        if !matches!(bits, 1 | 2 | 4 | 8) {
            return Err(StatusListError::Bits);
        }
        if bytes.len() > MAX_LIST_BYTES {
            return Err(StatusListError::TooLarge);
        }
        Ok(Self { bits, bytes })
    }

    /// Reads the deflated form.
    ///
    /// # Errors
    /// [`StatusListError::Bits`], [`StatusListError::Compression`], [`StatusListError::TooLarge`].
    pub fn inflate(bits: u8, deflated: &[u8]) -> Result<Self, StatusListError> {
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_LIST_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        let mut decoder = ZlibDecoder::new(deflated).take(limit);
        decoder.read_to_end(&mut bytes).map_err(|_| StatusListError::Compression)?;
        Self::from_bytes(bits, bytes)
    }

    /// Reads `lst`: base64url of the deflated form.
    ///
    /// # Errors
    /// As [`StatusList::inflate`].
    pub fn from_lst(bits: u8, lst: &str) -> Result<Self, StatusListError> {
        Self::inflate(bits, &base64url::decode(lst).ok_or(StatusListError::Compression)?)
    }

    /// The deflated form: zlib at its highest level.
    pub fn deflate(&self) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        // Writing to memory does not fail.
        let _ = encoder.write_all(&self.bytes);
        encoder.finish().unwrap_or_default()
    }

    /// `lst`.
    pub fn to_lst(&self) -> String {
        base64url::encode(&self.deflate())
    }

    /// Bits per token.
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// The bytes before deflating.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many tokens it has room for.
    pub fn entries(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or_default() * 8 / u64::from(self.bits)
    }

    /// The status of a token; `None`: it lies outside the list, so nothing is said of it,
    /// and it is not to be accepted (section 8.3).
    pub fn status(&self, index: u64) -> Option<TokenStatus> {
        let per_byte = 8 / u64::from(self.bits);
        let byte = self.bytes.get(usize::try_from(index / per_byte).ok()?)?;
        let shift = u32::try_from(index % per_byte).ok()? * u32::from(self.bits);
        let mask = u8::MAX >> (8 - self.bits);
        Some(TokenStatus::from(byte.checked_shr(shift).unwrap_or_default() & mask))
    }

    /// Makes a token of a list of one bit invalid. Whether it lies inside the list.
    pub fn revoke(&mut self, index: u64) -> bool {
        let byte = usize::try_from(index / 8).ok().and_then(|position| self.bytes.get_mut(position));
        byte.map(|byte| *byte |= 1 << (index % 8)).is_some()
    }

    /// Whether every token is valid.
    pub fn is_all_valid(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_token_is_in_the_lowest_bits() {
        let one = StatusList::from_bytes(1, vec![0xb9, 0xa3]).unwrap();
        let statuses: Vec<bool> = (0..16).map(|index| one.status(index) == Some(TokenStatus::Invalid)).collect();
        let expected = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1].map(|bit| bit == 1);
        assert_eq!(statuses, expected);
        let two = StatusList::from_bytes(2, vec![0xc9, 0x44, 0xf9]).unwrap();
        let values: Vec<TokenStatus> = (0..12).filter_map(|index| two.status(index)).collect();
        assert_eq!(values, [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3].map(TokenStatus::from));
    }

    #[test]
    fn nothing_is_said_of_a_token_outside_the_list() {
        for (bits, last) in [(1, 15), (2, 7), (4, 3), (8, 1)] {
            let list = StatusList::from_bytes(bits, vec![0, 0]).unwrap();
            assert_eq!(list.entries(), last + 1);
            assert_eq!((list.status(last), list.status(last + 1)), (Some(TokenStatus::Valid), None));
            assert_eq!(list.status(u64::MAX), None);
        }
        assert!(!StatusList::new(16).revoke(16));
    }

    #[test]
    fn a_list_reads_back_and_only_what_was_revoked_is() {
        let mut list = StatusList::new(1 << 20);
        assert!(list.is_all_valid());
        let revoked = [0, 7, 8, 721_425, (1 << 20) - 1];
        revoked.iter().for_each(|index| assert!(list.revoke(*index)));
        let read = StatusList::from_lst(1, &list.to_lst()).unwrap();
        assert_eq!(read, list);
        for index in revoked {
            assert_eq!(read.status(index), Some(TokenStatus::Invalid));
            assert_eq!(read.status(index ^ 2), Some(TokenStatus::Valid));
        }
        assert!(!read.is_all_valid());
    }

    #[test]
    fn what_is_no_list_is_refused_and_a_bomb_is_not_inflated() {
        for bits in [0, 3, 5, 16, 255] {
            assert_eq!(StatusList::from_bytes(bits, vec![0]).unwrap_err(), StatusListError::Bits);
        }
        for lst in ["", "eNrbuRgAAhcBXQ==", "AAAA", "eNrbuRgAAhcBX", "~"] {
            assert_eq!(StatusList::from_lst(1, lst).unwrap_err(), StatusListError::Compression, "{lst}");
        }
        let mut bomb = ZlibEncoder::new(Vec::new(), Compression::best());
        bomb.write_all(&vec![0; MAX_LIST_BYTES + 1]).unwrap();
        assert_eq!(StatusList::inflate(1, &bomb.finish().unwrap()).unwrap_err(), StatusListError::TooLarge);
    }
}
