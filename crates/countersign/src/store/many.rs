//! Statements about many rows at once: their texts are made at build time, so that they
//! are statements like all others.

/// `($1, $2), ($3, $4)` and so on between two texts.
macro_rules! many_rows {
    ($head:expr, $columns:expr, $rows:expr, $tail:expr) => {{
        const LENGTH: usize = $crate::store::many::length($head, $columns, $rows, $tail);
        const BYTES: [u8; LENGTH] = $crate::store::many::text($head, $columns, $rows, $tail);
        match std::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => "",
        }
    }};
}
pub(super) use many_rows;

/// How long the text is.
pub(super) const fn length(head: &str, columns: usize, rows: usize, tail: &str) -> usize {
    let mut length = head.len() + tail.len();
    let mut number = 1;
    while number <= columns * rows {
        // A dollar sign and a comma or parenthesis with each, a space between.
        length += digits(number) + 3;
        number += 1;
    }
    // Another parenthesis and a comma for each row; nothing follows the last.
    length + 2 * rows - 2
}

/// The text.
#[expect(clippy::indexing_slicing, reason = "const evaluation: an index out of bounds fails the build")]
pub(super) const fn text<const N: usize>(head: &str, columns: usize, rows: usize, tail: &str) -> [u8; N] {
    let mut text = [0; N];
    let mut at = append(&mut text, 0, head.as_bytes());
    let mut number = 1;
    while number <= columns * rows {
        let is_first = number % columns == 1 || columns == 1;
        if is_first {
            at = append(&mut text, at, if number == 1 { b"(" } else { b", (" });
        } else {
            at = append(&mut text, at, b", ");
        }
        at = append(&mut text, at, b"$");
        let mut place = digits(number);
        while place > 0 {
            place -= 1;
            text[at] = b'0' + (number / 10_usize.pow(place as u32) % 10) as u8;
            at += 1;
        }
        if number % columns == 0 {
            at = append(&mut text, at, b")");
        }
        number += 1;
    }
    append(&mut text, at, tail.as_bytes());
    text
}

#[expect(clippy::indexing_slicing, reason = "const evaluation: an index out of bounds fails the build")]
const fn append<const N: usize>(text: &mut [u8; N], at: usize, more: &[u8]) -> usize {
    let mut index = 0;
    while index < more.len() {
        text[at + index] = more[index];
        index += 1;
    }
    at + more.len()
}

const fn digits(number: usize) -> usize {
    let mut digits = 1;
    let mut rest = number / 10;
    while rest > 0 {
        digits += 1;
        rest /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    #[test]
    fn rows_are_numbered_through() {
        assert_eq!(many_rows!("a ", 2, 3, " z"), "a ($1, $2), ($3, $4), ($5, $6) z");
        assert_eq!(many_rows!("a IN ", 11, 1, ""), "a IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");
        assert_eq!(many_rows!("", 1, 2, ""), "($1), ($2)");
    }
}
