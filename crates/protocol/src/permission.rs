//! Permissions of API keys: what a key has, and what is asked of it.
//!
//! A name is of segments that `.` and `:` separate. What a key, a role or a client has may
//! hold `*` as a whole segment; what is asked for never does, so that a caller cannot widen
//! a question. Names are compared byte by byte: no prefix, no other case, no other script.

use std::fmt;

/// Longest name, in characters.
const MAX_LENGTH: usize = 128;
/// The segment that stands for others.
const WILDCARD: &str = "*";

/// A permission that a key, a role or a client has: `[A-Za-z0-9_:.\-*]{1,128}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission {
    name: Box<str>,
    has_wildcard: bool,
}

/// Why a text is no permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPermission {
    /// A character outside of the alphabet.
    #[error("`{}` at character {at} is not one of `A-Z a-z 0-9 _ : . - *`", .character.escape_debug())]
    Character {
        /// Which.
        character: char,
        /// Where, counted from 1.
        at: usize,
    },
    /// Empty, or longer than a name may be.
    #[error("1 to {MAX_LENGTH} characters are accepted")]
    Length,
    /// `*` beside other characters of a segment.
    #[error("`*` is a whole segment, between `.` or `:`, or it is not there")]
    Wildcard,
}

impl Permission {
    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidPermission`] says what is wrong with it.
    pub fn parse(name: &str) -> Result<Self, InvalidPermission> {
        if let Some((at, character)) = name.chars().enumerate().find(|(_, character)| !Self::may_hold(*character)) {
            return Err(InvalidPermission::Character { character, at: at + 1 });
        }
        if !(1..=MAX_LENGTH).contains(&name.len()) {
            return Err(InvalidPermission::Length);
        }
        let has_wildcard = name.contains(WILDCARD);
        if has_wildcard && name.split(is_separator).any(|segment| segment != WILDCARD && segment.contains(WILDCARD)) {
            return Err(InvalidPermission::Wildcard);
        }
        Ok(Self { name: name.into(), has_wildcard })
    }

    /// Whether a name may hold this character.
    pub const fn may_hold(character: char) -> bool {
        character.is_ascii_alphanumeric() || matches!(character, '_' | ':' | '.' | '-' | '*')
    }

    /// Whether a text that is legal character by character is too long for a name.
    pub const fn is_too_long(name: &str) -> bool {
        name.len() > MAX_LENGTH
    }

    /// Whether it stands for more than its own name.
    pub const fn has_wildcard(&self) -> bool {
        self.has_wildcard
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Whether it gives what is asked for. `*` stands for one segment, and at the end for
    /// one or more: `orders.*` gives `orders.read` and `orders.items.read`, not `orders`.
    pub fn covers(&self, asked: &str) -> bool {
        if asked.contains(WILDCARD) {
            return false;
        }
        if self.has_wildcard { covers_by_segments(&self.name, asked) } else { *self.name == *asked }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn covers_by_segments(mut own: &str, mut asked: &str) -> bool {
    loop {
        let ((own_segment, own_rest), (asked_segment, asked_rest)) = (first_segment(own), first_segment(asked));
        if own_segment == WILDCARD {
            if asked_segment.is_empty() {
                return false;
            }
            if own_rest.is_empty() {
                return true;
            }
        } else if own_segment != asked_segment {
            return false;
        }
        let mut rests = (own_rest.chars(), asked_rest.chars());
        match (rests.0.next(), rests.1.next()) {
            (None, None) => return true,
            (Some(own_separator), Some(asked_separator)) if own_separator == asked_separator => {
                (own, asked) = (rests.0.as_str(), rests.1.as_str());
            }
            (Some(_) | None, Some(_) | None) => return false,
        }
    }
}

/// What is before the first separator, and the rest from there on.
fn first_segment(name: &str) -> (&str, &str) {
    name.split_at(name.find(is_separator).unwrap_or(name.len()))
}

const fn is_separator(character: char) -> bool {
    matches!(character, '.' | ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(own: &str, asked: &str) -> bool {
        Permission::parse(own).unwrap().covers(asked)
    }

    /// Every name of one to `longest` of these segments, with both separators.
    fn names(segments: &[&str], longest: usize) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        let mut last: Vec<String> = segments.iter().map(|segment| (*segment).to_owned()).collect();
        for _ in 0..longest {
            all.extend(last.clone());
            let longer = |name: &String| -> Vec<String> {
                segments.iter().flat_map(|segment| [format!("{name}.{segment}"), format!("{name}:{segment}")]).collect()
            };
            last = last.iter().flat_map(longer).collect();
        }
        all
    }

    /// The rule once more, by the lists of segments and separators.
    fn covers_by_lists(own: &str, asked: &str) -> bool {
        let split = |name: &str| -> Vec<String> {
            name.split_inclusive(is_separator)
                .flat_map(|piece| match piece.strip_suffix(is_separator) {
                    Some(segment) => vec![segment.to_owned(), piece[segment.len()..].to_owned()],
                    None => vec![piece.to_owned()],
                })
                .collect()
        };
        let (own, asked) = (split(own), split(asked));
        let ends_wild = own.last().is_some_and(|last| last == "*");
        if asked.len() < own.len() || (asked.len() > own.len() && !ends_wild) {
            return false;
        }
        own.iter().zip(&asked).all(|(own, asked)| own == "*" && asked != "." && asked != ":" || own == asked)
    }

    #[test]
    fn without_a_wildcard_only_the_same_name_is_given() {
        for name in names(&["a", "b", "ab", "A"], 3) {
            for asked in names(&["a", "b", "ab", "A"], 3) {
                assert_eq!(covers(&name, &asked), name == asked, "{name} {asked}");
            }
        }
    }

    #[test]
    fn a_wildcard_gives_what_the_rule_says_for_every_pair_of_names() {
        let mut given = 0;
        for own in names(&["a", "b", "*"], 4) {
            for asked in names(&["a", "b"], 5) {
                let expected = covers_by_lists(&own, &asked);
                assert_eq!(covers(&own, &asked), expected, "{own} {asked}");
                given += u32::from(expected);
            }
        }
        assert!(given > 1_000, "{given}");
    }

    #[test]
    fn examples_of_the_rule() {
        for (own, asked, expected) in [
            ("orders.*", "orders.read", true),
            ("orders.*", "orders.items.read", true),
            ("orders.*", "orders", false),
            ("orders.*", "orders.", false),
            ("orders.*", "orders:read", false),
            ("orders.*", "ordersx.read", false),
            ("*.read", "orders.read", true),
            ("*.read", "orders.items.read", false),
            ("*.read", ".read", false),
            ("orders.*.read", "orders.1.read", true),
            ("orders.*.read", "orders.1.2.read", false),
            ("*", "anything", true),
            ("*", "any.thing:at-all", true),
            ("*", "", false),
            ("a..b", "a..b", true),
            ("a.*.b", "a..b", false),
        ] {
            assert_eq!(covers(own, asked), expected, "{own} {asked}");
        }
    }

    #[test]
    fn what_asks_for_a_wildcard_is_given_nothing() {
        for own in ["*", "orders.*", "orders.read", "*.read"] {
            for asked in ["*", "orders.*", "*.read", "orders.*.read", "*.*"] {
                assert!(!covers(own, asked), "{own} {asked}");
            }
        }
    }

    #[test]
    fn names_of_other_characters_or_lengths_are_refused_with_the_place() {
        assert_eq!(Permission::parse(""), Err(InvalidPermission::Length));
        assert_eq!(Permission::parse(&"a".repeat(129)), Err(InvalidPermission::Length));
        assert!(Permission::parse(&"a".repeat(128)).is_ok());
        for (name, at) in [("read write", 5), ("ordеrs", 4), ("a\u{0}", 2), ("a/b", 2), ("é", 1), ("a\u{200b}b", 2), ("a\n", 2)] {
            let Err(InvalidPermission::Character { at: found, .. }) = Permission::parse(name) else { panic!("{name:?}") };
            assert_eq!(found, at, "{name:?}");
        }
        for name in ["doc*", "*doc", "a.b*", "**", "a.**", "a*b.c"] {
            assert_eq!(Permission::parse(name), Err(InvalidPermission::Wildcard), "{name}");
        }
        let error = Permission::parse("a\u{1b}[2J").unwrap_err().to_string();
        assert_eq!(error, "`\\u{1b}` at character 2 is not one of `A-Z a-z 0-9 _ : . - *`");
    }
}
