//! What a limit is.

use serde::{Deserialize, Serialize};

/// Longest name, in characters.
const MAX_NAME: usize = 128;
/// Longest window: a year and a day.
const MAX_DURATION: u32 = 366 * 86_400;

/// Most limits of a key or of a client.
pub const MAX_RULES: usize = 50;

/// A named limit: so much in a window, which begins with the first request after the
/// one before has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitRule {
    /// What a request asks for it by.
    pub name: String,
    /// Most that one window holds, in units of cost.
    pub limit: u32,
    /// How long a window is.
    pub duration_seconds: u32,
    /// Whether it holds for requests that do not name it.
    #[serde(default)]
    pub auto_apply: bool,
    /// What happens to a request that cannot be counted.
    #[serde(default)]
    pub on_unreachable: OnUnreachable,
}

/// What happens to a request that cannot be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnreachable {
    /// It is refused, as one that could not be counted.
    #[default]
    Deny,
    /// It passes without being counted, and its answer says so.
    Allow,
    /// This process counts alone until the counters are back.
    Local,
}

/// Why a limit is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLimit {
    /// The name is empty, too long, or has other characters.
    #[error("a limit's name has 1 to {MAX_NAME} characters of `a-z A-Z 0-9 . _ -`")]
    Name,
    /// Another has the name.
    #[error("each limit has a name of its own")]
    Repeated,
    /// More than [`MAX_RULES`].
    #[error("at most {MAX_RULES} limits are accepted")]
    TooMany,
    /// Nothing would ever pass.
    #[error("a limit is at least 1")]
    Limit,
    /// The window is empty or too long.
    #[error("a window lasts from 1 to {MAX_DURATION} seconds")]
    Duration,
}

impl OnUnreachable {
    const ALL: [Self; 3] = [Self::Deny, Self::Allow, Self::Local];

    /// As it is given.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
            Self::Local => "local",
        }
    }

    /// Reads [`OnUnreachable::as_str`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }
}

impl LimitRule {
    /// Whether it can be counted.
    ///
    /// # Errors
    /// [`InvalidLimit`].
    pub fn check(&self) -> Result<(), InvalidLimit> {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if self.name.is_empty() || self.name.len() > MAX_NAME || !self.name.bytes().all(is_known) {
            return Err(InvalidLimit::Name);
        }
        if self.limit == 0 {
            return Err(InvalidLimit::Limit);
        }
        if self.duration_seconds == 0 || self.duration_seconds > MAX_DURATION {
            return Err(InvalidLimit::Duration);
        }
        Ok(())
    }

    /// Whether they can be the limits of one key or client.
    ///
    /// # Errors
    /// [`InvalidLimit`], and the name of the limit that it is about.
    pub fn check_all(rules: &[Self]) -> Result<(), (String, InvalidLimit)> {
        if rules.len() > MAX_RULES {
            return Err((format!("{} limits", rules.len()), InvalidLimit::TooMany));
        }
        for (index, rule) in rules.iter().enumerate() {
            let is_repeated = rules.iter().take(index).any(|earlier| earlier.name == rule.name);
            let checked = if is_repeated { Err(InvalidLimit::Repeated) } else { rule.check() };
            checked.map_err(|error| (rule.name.clone(), error))?;
        }
        Ok(())
    }

    pub(super) fn millis(&self) -> i64 {
        i64::from(self.duration_seconds).saturating_mul(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_the_safe_choice() {
        let rule: LimitRule = serde_json::from_str(r#"{"name":"reads","limit":10,"duration_seconds":60}"#).unwrap();
        assert_eq!((rule.auto_apply, rule.on_unreachable), (false, OnUnreachable::Deny));
        assert_eq!(rule.check(), Ok(()));
    }

    #[test]
    fn a_limit_that_cannot_be_counted_is_refused() {
        let good = LimitRule {
            name: "a.b_c-1".to_owned(),
            limit: 1,
            duration_seconds: 1,
            auto_apply: false,
            on_unreachable: OnUnreachable::Deny,
        };
        assert_eq!(good.check(), Ok(()));
        for name in ["", "a b", "a:b", &"x".repeat(129)] {
            assert_eq!(LimitRule { name: name.to_owned(), ..good.clone() }.check(), Err(InvalidLimit::Name), "{name}");
        }
        assert_eq!(LimitRule { limit: 0, ..good.clone() }.check(), Err(InvalidLimit::Limit));
        for duration_seconds in [0, MAX_DURATION + 1] {
            assert_eq!(LimitRule { duration_seconds, ..good.clone() }.check(), Err(InvalidLimit::Duration));
        }
    }
}
