//! Versions as programs print them.

use std::fmt;
use std::process::Command;

use crate::process;

/// Major and minor number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

impl Version {
    /// Asks a program; the error says what is wrong with it.
    pub(crate) fn of(program: &mut Command) -> Result<Self, String> {
        let text = process::read(program).map_err(|error| format!("not found, or it does not run: {error:#}"))?;
        Self::read(&text).ok_or_else(|| format!("no version in `{}`", text.trim()))
    }

    /// An error when it is older.
    pub(crate) fn at_least(self, minimum: Self) -> Result<(), String> {
        if self >= minimum { Ok(()) } else { Err(format!("found {self}")) }
    }

    /// Reads the first number of a text, with its minor number if there is one.
    fn read(text: &str) -> Option<Self> {
        let from_digit = text.trim_start_matches(|character: char| !character.is_ascii_digit());
        let mut numbers = from_digit.split(|character: char| !character.is_ascii_digit() && character != '.');
        let mut parts = numbers.next()?.split('.');
        let major = parts.next()?.parse().ok()?;
        Some(Self(major, parts.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_programs_print() {
        assert_eq!(Version::read("v20.15.2\n"), Some(Version(20, 15)));
        assert_eq!(Version::read("Python 3.11.7"), Some(Version(3, 11)));
        assert_eq!(Version::read("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(Version(15, 18)));
        assert_eq!(Version::read("postgres (PostgreSQL) 19beta1"), Some(Version(19, 0)));
        assert_eq!(Version::read("none"), None);
    }

    #[test]
    fn compares_numbers_not_texts() {
        assert!(Version(3, 9).at_least(Version(3, 10)).is_err());
        assert!(Version(20, 15).at_least(Version(20, 15)).is_ok());
        assert!(Version(22, 0).at_least(Version(20, 15)).is_ok());
    }
}
