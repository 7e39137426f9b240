//! Why a change to an object was not made.

use std::fmt;

use crate::sealing::SealingError;
use crate::store::StoreError;

/// The shared vocabulary of refusals of every use-case that changes something.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// An object with this identity exists.
    #[error("{kind} `{id}` exists already")]
    AlreadyExists {
        /// What kind of object.
        kind: &'static str,
        /// Its identity.
        id: String,
    },
    /// The change gives, or touches, what its maker does not hold.
    #[error("{0}")]
    ExceedsCaller(String),
    /// A field has a value that is not accepted.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// The maker of the change is limited to its organization.
    #[error("{0}")]
    LimitedToOrganization(&'static str),
    /// It is made, but tokens were issued while its marks were being stored, again and
    /// again: they may live on.
    #[error("tokens were issued while the revocation was being stored: revoke once more, by its client or key")]
    MarksOvertaken,
    /// There is no such object.
    #[error("there is no {kind} `{id}`")]
    NotFound {
        /// What kind of object.
        kind: &'static str,
        /// Its identity.
        id: String,
    },
    /// Sealing or opening a stored key failed.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// A key could not be made.
    #[error(transparent)]
    SigningKey(#[from] countersign_protocol::jose::SigningKeyError),
    /// The object is not in the state that the change needs.
    #[error("{0}")]
    State(String),
    /// The object was changed since its caller read it.
    #[error("the object has version {current}, not {expected}: read it again")]
    VersionMismatch {
        /// What the caller expected.
        expected: i64,
        /// What it has.
        current: i64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ChangeError {
    /// Compares the version that a caller expects, if any, with the present one.
    pub(crate) const fn check_version(expected: Option<i64>, current: i64) -> Result<(), Self> {
        match expected {
            Some(expected) if expected != current => Err(Self::VersionMismatch { expected, current }),
            Some(_) | None => Ok(()),
        }
    }

    /// Reads a reference to what is gone as what it means: it is not there.
    pub(crate) fn or_not_found(self, kind: &'static str, id: impl fmt::Display) -> Self {
        if matches!(self, Self::Store(StoreError::ReferenceGone)) { Self::NotFound { kind, id: id.to_string() } } else { self }
    }

    /// Reads a uniqueness violation as what it means: the object exists already.
    pub(crate) fn or_already_exists(self, kind: &'static str, id: impl fmt::Display) -> Self {
        if matches!(self, Self::Store(StoreError::UniqueViolation)) {
            Self::AlreadyExists { kind, id: id.to_string() }
        } else {
            self
        }
    }
}

/// A field, the value it was given, and what it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidField {
    /// The field.
    pub field: &'static str,
    /// The value; never a secret.
    pub value: String,
    /// The accepted form.
    pub accepted: String,
}

impl InvalidField {
    /// A refusal of `value`.
    pub fn new(field: &'static str, value: impl fmt::Display, accepted: impl Into<String>) -> Self {
        Self { field, value: value.to_string(), accepted: accepted.into() }
    }
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is `{}`; accepted: {}", self.field, self.value, self.accepted)
    }
}

impl std::error::Error for InvalidField {}

/// Checks a display name or label: 1 to 200 characters, no control characters.
pub(crate) fn check_name(field: &'static str, name: &str) -> Result<(), InvalidField> {
    let length = name.chars().count();
    if (1..=200).contains(&length) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(InvalidField::new(field, name.escape_debug(), "1 to 200 characters without control characters"))
}

/// Checks a description: at most 500 characters, no control characters.
pub(crate) fn check_description(field: &'static str, text: &str) -> Result<(), InvalidField> {
    if text.chars().count() <= 500 && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(InvalidField::new(field, text.escape_debug(), "at most 500 characters without control characters"))
}

/// Shortest access-token lifetime, in seconds.
const MIN_TOKEN_LIFETIME_SECONDS: i64 = 60;
/// Longest access-token lifetime, in seconds.
pub(crate) const MAX_TOKEN_LIFETIME_SECONDS: i64 = 86_400;

/// Checks a token lifetime: above the maximum is clamped, below the minimum refused.
pub(crate) fn check_lifetime(seconds: i64) -> Result<i64, InvalidField> {
    if seconds < MIN_TOKEN_LIFETIME_SECONDS {
        return Err(InvalidField::new("token_lifetime_seconds", seconds, "60 to 86400 seconds; more is clamped to 86400"));
    }
    Ok(seconds.min(MAX_TOKEN_LIFETIME_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_above_the_maximum_are_clamped_and_others_refused() {
        assert_eq!(check_lifetime(i64::MAX), Ok(86_400));
        assert_eq!(check_lifetime(60), Ok(60));
        for seconds in [59, 0, -1, i64::MIN] {
            assert!(check_lifetime(seconds).is_err(), "{seconds}");
        }
    }
}
