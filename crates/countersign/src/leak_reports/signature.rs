//! ECDSA signatures in DER (RFC 3279 section 2.2.3), made into the fixed width of
//! RFC 7518 section 3.4.

/// Bytes of each of the two numbers, for P-256.
const WIDTH: usize = 32;
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// `r` and `s` in 32 bytes each; `None`: not strict DER of a P-256 signature.
pub(super) fn fixed_width(der: &[u8]) -> Option<[u8; 2 * WIDTH]> {
    let (content, rest) = take(SEQUENCE, der)?;
    let (r, after) = take(INTEGER, content)?;
    let (s, end) = take(INTEGER, after)?;
    if !rest.is_empty() || !end.is_empty() {
        return None;
    }
    let mut fixed = [0; 2 * WIDTH];
    let (left, right) = fixed.split_at_mut(WIDTH);
    write(unsigned(r)?, left)?;
    write(unsigned(s)?, right)?;
    Some(fixed)
}

/// The content of the value that `der` begins with, and what follows it. None of them is
/// longer than 127 bytes.
fn take(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    if *found != tag || *length >= 0x80 {
        return None;
    }
    rest.split_at_checked(usize::from(*length))
}

/// A number without its sign byte: positive, in as few bytes as there can be.
fn unsigned(integer: &[u8]) -> Option<&[u8]> {
    match integer {
        [0, next, ..] if *next >= 0x80 => integer.get(1..),
        [first, ..] if (1..0x80).contains(first) => Some(integer),
        _ => None,
    }
}

fn write(number: &[u8], fixed: &mut [u8]) -> Option<()> {
    let from = fixed.len().checked_sub(number.len())?;
    fixed.get_mut(from..)?.copy_from_slice(number);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_their_full_width() {
        let fixed = fixed_width(&[0x30, 8, 2, 2, 0, 0x80, 2, 2, 1, 2]).unwrap();
        assert_eq!((fixed[31], fixed[62], fixed[63]), (0x80, 1, 2));
        assert!(fixed[..31].iter().chain(&fixed[32..62]).all(|byte| *byte == 0));
    }

    #[test]
    fn what_is_not_strict_der_is_refused() {
        let long = [&[0x30, 38, 2, 33, 1][..], &[0; 32], &[2, 1, 1]].concat();
        for der in [
            &[][..],
            &[0x30, 0],
            &[0x31, 6, 2, 1, 1, 2, 1, 1],
            &[0x30, 6, 2, 1, 1, 3, 1, 1],
            &[0x30, 6, 2, 1, 1, 2, 1, 1, 0],
            &[0x30, 7, 2, 1, 1, 2, 1, 1, 0],
            &[0x30, 7, 2, 1, 1, 2, 1, 1],
            // Zero, negative, with a zero too many, longer than the curve's order.
            &[0x30, 6, 2, 1, 0, 2, 1, 1],
            &[0x30, 6, 2, 1, 0x80, 2, 1, 1],
            &[0x30, 7, 2, 2, 0, 1, 2, 1, 1],
            &[0x30, 5, 2, 0, 2, 1, 1],
            &[0x30, 0x81, 6, 2, 1, 1, 2, 1, 1],
            &long,
        ] {
            assert_eq!(fixed_width(der), None, "{der:02x?}");
        }
    }
}
