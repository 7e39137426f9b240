//! Spans of time in words.

/// `8m12s`, `3d4h`: the two largest units.
pub fn spoken(millis: i64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let seconds = millis.unsigned_abs() / 1000;
    let first = UNITS.iter().position(|(size, _)| seconds >= *size).unwrap_or(UNITS.len() - 1);
    let mut left = seconds;
    let mut text = String::new();
    for (size, unit) in UNITS.iter().skip(first).take(2) {
        let count = left / size;
        left %= size;
        if count > 0 || text.is_empty() {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::spoken;

    #[test]
    fn the_two_largest_units() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (492, "8m12s"), (3_600, "1h"), (90_061, "1d1h"), (-492, "8m12s")]
        {
            assert_eq!(spoken(seconds * 1000), text);
        }
    }
}
