//! What is wrong with a configuration, where, and how to put it right.

use std::fmt;

use serde::Serialize;

use super::place::Place;
use super::setting::Setting;

/// Longest part of a wrong value that is shown, in characters.
const SHOWN_CHARACTERS: usize = 120;

/// Everything that is wrong with a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// One thing that is wrong. Its texts never hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The setting, where there is one.
    pub key: Option<Box<str>>,
    /// Where the value was given.
    pub place: Place,
    /// The value, unless it is or may hold a secret.
    pub value: Option<Box<str>>,
    /// A predicate whose subject is the value, else the key.
    pub problem: Box<str>,
    /// The accepted form.
    pub accepted: Option<Box<str>>,
    /// What to do about it.
    pub fix: Option<Box<str>>,
}

/// Why a text is no value of a setting.
#[derive(Debug)]
pub(super) struct Refusal {
    problem: Box<str>,
    fix: Option<Box<str>>,
    shows_value: bool,
}

impl ConfigError {
    pub(super) fn new(key: &str, place: Place, problem: impl Into<Box<str>>) -> Self {
        Self { key: Some(shown(key)), ..Self::without_key(place, problem) }
    }

    pub(super) fn without_key(place: Place, problem: impl Into<Box<str>>) -> Self {
        Self { key: None, place, value: None, problem: problem.into(), accepted: None, fix: None }
    }

    pub(super) fn of(setting: &Setting, place: &Place, problem: impl Into<Box<str>>) -> Self {
        let error = Self::new(setting.key, place.clone(), problem);
        Self { accepted: Some(setting.kind.accepted().into()), ..error }
    }

    pub(super) fn refused(setting: &Setting, place: &Place, text: &str, refusal: Refusal) -> Self {
        let value = (refusal.shows_value && !setting.is_secret()).then(|| shown(text));
        Self { value, fix: refusal.fix, ..Self::of(setting, place, refusal.problem) }
    }

    pub(super) fn with_fix(self, fix: impl Into<Box<str>>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }
}

impl Refusal {
    pub(super) fn new(problem: impl Into<Box<str>>) -> Self {
        Self { problem: problem.into(), fix: None, shows_value: true }
    }

    pub(super) fn with_fix(self, fix: impl Into<Box<str>>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// Keeps the value out of the error.
    pub(super) fn hiding_value(self) -> Self {
        Self { shows_value: false, ..self }
    }
}

/// `text` cut to a bearable length, with control characters made visible: it
/// goes to a terminal.
pub(super) fn shown(text: &str) -> Box<str> {
    let mut shown = String::new();
    for character in text.chars().take(SHOWN_CHARACTERS) {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if text.chars().nth(SHOWN_CHARACTERS).is_some() {
        shown.push('…');
    }
    shown.into()
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match (&self.key, &self.value) {
            (Some(key), Some(value)) => write!(f, "{key}: `{value}` {}", self.problem)?,
            (Some(key), None) => write!(f, "{key} {}", self.problem)?,
            (None, _) => f.write_str(&self.problem)?,
        }
        if let Some(accepted) = &self.accepted {
            write!(f, "\n  accepted: {accepted}")?;
        }
        if let Some(fix) = &self.fix {
            write!(f, "\n  fix: {fix}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
impl std::error::Error for ConfigErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_cannot_write_to_the_terminal_or_flood_it() {
        assert_eq!(&*shown("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), SHOWN_CHARACTERS + 1);
    }
}
