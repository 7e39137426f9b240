//! Strict base64url without padding (RFC 7515 section 2): no padding, no white
//! space, no other alphabet, and unused trailing bits must be zero.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Encodes `bytes`.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Encodes `bytes` at the end of `text`.
pub(crate) fn encode_to(bytes: impl AsRef<[u8]>, text: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Decodes `text`; `None` for anything that is not the one canonical encoding.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_encoding_decodes() {
        assert_eq!(decode("Zm9v").unwrap(), b"foo");
        for text in ["Zm9v=", "Zg==", "Zh", "Z", "Zm 9v", "Zm9v\n", "Zm+v", "Zm/v", "Zm?v"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
