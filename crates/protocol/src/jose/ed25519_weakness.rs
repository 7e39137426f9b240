//! Recognises Ed25519 points of small order: under such a key one fixed signature
//! verifies for every message.

/// The y coordinates of the points whose order divides 8, little-endian, with
/// the encodings above the field's prime that decode to them.
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// Whether `encoded` is a point of small order, whatever the sign bit of x says.
pub(super) fn has_small_order(encoded: &[u8]) -> bool {
    let Some((last, low)) = encoded.split_last() else { return false };
    let hex: String = low.iter().chain([&(last & 0x7f)]).map(|byte| format!("{byte:02x}")).collect();
    SMALL_ORDER.contains(&hex.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_signs_are_recognised_and_other_points_are_not() {
        let mut point = [0; 32];
        point[0] = 1;
        assert!(has_small_order(&point));
        point[31] = 0x80;
        assert!(has_small_order(&point));
        // The base point.
        let mut base = [0x66; 32];
        base[0] = 0x58;
        assert!(!has_small_order(&base));
    }
}
