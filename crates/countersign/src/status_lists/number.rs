//! What a list is called.

use std::fmt;

/// The number of a list of an authorization server, from 1. As text it is hexadecimal, so
/// that it is never the name of one of the endpoints beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListNumber(pub i64);

impl ListNumber {
    /// Reads the text of a number; there is one for each.
    pub fn parse(text: &str) -> Option<Self> {
        let number = Self(i64::from_str_radix(text, 16).ok().filter(|number| *number > 0)?);
        (number.to_string() == text).then_some(number)
    }
}

impl fmt::Display for ListNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}
