//! Scope values (RFC 6749 section 3.3).

use std::fmt;

/// Most scope tokens one value may hold: bounds the work of a request.
const MAX_TOKENS: usize = 256;
/// Longest scope token, in bytes.
const MAX_TOKEN_LENGTH: usize = 256;

/// One scope token: `1*( %x21 / %x23-5B / %x5D-7E )`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeToken(Box<str>);

impl ScopeToken {
    /// The token as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for ScopeToken {
    type Error = InvalidScope;

    fn try_from(text: &str) -> Result<Self, InvalidScope> {
        let legal = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if text.is_empty() || text.len() > MAX_TOKEN_LENGTH || !text.bytes().all(legal) {
            return Err(InvalidScope::Token);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ScopeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a scope value was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScope {
    /// A token has a character outside RFC 6749 section 3.3, or is too long.
    #[error("a scope token holds a character that RFC 6749 does not allow, or is too long")]
    Token,
    /// More tokens than a request may ask for.
    #[error("more than {MAX_TOKENS} scope tokens")]
    TooMany,
}

/// Distinct scope tokens in the order in which they were first named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(Vec<ScopeToken>);

impl Scope {
    /// Parses a space-separated list; repeated tokens and spaces are dropped.
    ///
    /// # Errors
    /// [`InvalidScope`] for an illegal character, an oversized token or too many tokens.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        Self::from_tokens(text.split(' ').filter(|token| !token.is_empty()))
    }

    /// Collects tokens given one by one.
    ///
    /// # Errors
    /// As [`Scope::parse`].
    pub fn from_tokens<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidScope> {
        let mut seen = std::collections::HashSet::new();
        let mut scope = Vec::new();
        for token in tokens {
            let token = ScopeToken::try_from(token)?;
            if seen.insert(token.clone()) {
                if scope.len() == MAX_TOKENS {
                    return Err(InvalidScope::TooMany);
                }
                scope.push(token);
            }
        }
        Ok(Self(scope))
    }

    /// Whether `token` is one of the tokens, compared as a whole.
    pub fn contains(&self, token: &str) -> bool {
        self.0.iter().any(|own| own.as_str() == token)
    }

    /// The first token of `self` that `other` does not have.
    pub fn first_outside(&self, other: &Self) -> Option<&ScopeToken> {
        // Mostly they are the same.
        if self == other {
            return None;
        }
        self.0.iter().find(|token| !other.contains(token.as_str()))
    }

    /// The tokens of `self` that `other` has too.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|token| other.contains(token.as_str())).cloned().collect())
    }

    /// The tokens of `self` that `keep` says yes to.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&ScopeToken) -> bool) -> Self {
        Self(self.0.iter().filter(|token| keep(token)).cloned().collect())
    }

    /// The tokens in order.
    pub fn iter(&self) -> impl Iterator<Item = &ScopeToken> {
        self.0.iter()
    }

    /// Whether no token is held.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, token) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_drops_repetition() {
        let scope = Scope::parse(" b a  b ").unwrap();
        assert_eq!(scope.to_string(), "b a");
    }

    #[test]
    fn compares_whole_tokens_only() {
        let scope = Scope::parse("list:users2 xlist:users").unwrap();
        assert!(!scope.contains("list:users"));
    }

    #[test]
    fn the_intersection_has_what_both_have() {
        let one = Scope::parse("a b c").unwrap();
        assert_eq!(one.intersection(&Scope::parse("c x a").unwrap()).to_string(), "a c");
        assert!(one.intersection(&Scope::default()).is_empty());
    }

    #[test]
    fn refuses_what_rfc_6749_does_not_allow() {
        for text in ["a\tb", "a\"b", "a\\b", "a\u{0}", "ä", "a\nb"] {
            assert_eq!(Scope::parse(text), Err(InvalidScope::Token), "{text:?}");
        }
    }

    #[test]
    fn bounds_the_number_of_tokens() {
        let text: Vec<String> = (0..=MAX_TOKENS).map(|n| format!("s{n}")).collect();
        assert_eq!(Scope::parse(&text.join(" ")), Err(InvalidScope::TooMany));
    }
}
