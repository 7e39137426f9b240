//! What a route asks of a token beyond being good.

#[cfg(feature = "status")]
use std::time::Duration;

use serde_json::Value;

use countersign_protocol::jose::Claims;
use countersign_protocol::{Check, ErrorCode};

use crate::Verified;
use crate::verified::read_scopes;

/// Scopes and claim values that a token must have. All parts must hold.
///
/// Scopes are compared as whole words: `list:users2` and `xlist:users` do not
/// satisfy `list:users`. Claim values are compared with their type: the string
/// `"true"` is not `true`.
///
/// An empty list of scopes can never be satisfied, so that a list computed at
/// run time that comes out empty does not open a route. "Any good token" is
/// said with [`Requirements::none`].
///
/// ```
/// use countersign_verify::Requirements;
/// let wipe = Requirements::any(["admin", "users:write"]).and_all(["list:users"]).claim("tier", "gold");
/// # let _ = wipe;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Requirements {
    /// Each group is satisfied by one of its words; an empty group by nothing.
    groups: Vec<Vec<Box<str>>>,
    claims: Vec<(Box<str>, Value)>,
    /// How old what was heard of revocations may be.
    #[cfg(feature = "status")]
    max_staleness: Option<Duration>,
}

impl Requirements {
    /// And that what was heard of the issuer's revocations is at most so old, or the answer is
    /// 503: [`StatusPolicy::FailClosed`](crate::StatusPolicy::FailClosed) for one route. Less than 15
    /// seconds is taken for 15: a feed that is heard is that old at times. Of status lists it is the
    /// age of the token's list. [`Verifier::require`](crate::Verifier::require) and the layers look
    /// at it; [`Requirements::check`] sees the token alone.
    #[cfg(feature = "status")]
    #[must_use]
    pub fn status_within(mut self, max: Duration) -> Self {
        self.max_staleness = Some(max.max(crate::StatusPolicy::MIN_FAIL_CLOSED));
        self
    }

    #[cfg(feature = "status")]
    pub(crate) const fn max_staleness(&self) -> Option<Duration> {
        self.max_staleness
    }

    /// Any good token will do.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Every one of `scopes`.
    #[must_use]
    pub fn all<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Self {
        Self::none().and_all(scopes)
    }

    /// At least one of `scopes`.
    #[must_use]
    pub fn any<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Self {
        Self::none().and_any(scopes)
    }

    /// And every one of `scopes`.
    #[must_use]
    pub fn and_all<'a>(mut self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        let before = self.groups.len();
        self.groups.extend(scopes.into_iter().map(|scope| vec![scope.into()]));
        if self.groups.len() == before {
            self.groups.push(Vec::new());
        }
        self
    }

    /// And at least one of `scopes`.
    #[must_use]
    pub fn and_any<'a>(mut self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        self.groups.push(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// And the claim `name` with exactly `value`.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.push((name.into(), value.into()));
        self
    }

    /// Whether any good token will do.
    pub(crate) const fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.claims.is_empty()
    }

    /// Whether `verified` has what is asked.
    ///
    /// # Errors
    /// [`Insufficient`], which says what would have been enough.
    pub fn check(&self, verified: &Verified) -> Result<(), Insufficient> {
        self.compare(&|scope| verified.has(scope), verified.claims())
    }

    /// The same for claims that are signed and perhaps no good otherwise.
    pub(crate) fn check_claims(&self, claims: &Claims) -> Result<(), Insufficient> {
        let scopes = read_scopes(claims).map_err(|_| self.insufficient(ErrorCode::InsufficientScope))?;
        self.compare(&|scope| scopes.contains(scope), claims)
    }

    fn compare(&self, has: &dyn Fn(&str) -> bool, claims: &Claims) -> Result<(), Insufficient> {
        let satisfied = |group: &Vec<Box<str>>| group.iter().any(|scope| has(scope));
        if Check::Scope.is_on() && !self.groups.iter().all(satisfied) {
            return Err(self.insufficient(ErrorCode::InsufficientScope));
        }
        let equal = |(name, value): &(Box<str>, Value)| claims.all.get(&**name) == Some(value);
        if !self.claims.iter().all(equal) {
            return Err(self.insufficient(ErrorCode::ClaimMismatch));
        }
        Ok(())
    }

    /// A set of scopes that would have been enough: of alternatives the first.
    fn insufficient(&self, code: ErrorCode) -> Insufficient {
        let mut words: Vec<&str> = Vec::new();
        for word in self.groups.iter().filter_map(|group| group.first()) {
            if !words.contains(&&**word) {
                words.push(word);
            }
        }
        Insufficient { code, scope: words.join(" ") }
    }
}

/// A good token that is not enough here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {}", code.meaning())]
pub struct Insufficient {
    code: ErrorCode,
    scope: String,
}

impl Insufficient {
    /// [`ErrorCode::InsufficientScope`] or [`ErrorCode::ClaimMismatch`].
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// Scopes that would have been enough, separated by spaces; may be empty.
    pub fn scope(&self) -> &str {
        &self.scope
    }
}

/// Requirements as a type, for `Token<R>`. Made by [`scopes!`](crate::scopes).
pub trait Require {
    /// What is asked.
    fn requirements() -> &'static Requirements;
}

/// Any good token.
impl Require for () {
    fn requirements() -> &'static Requirements {
        static NONE: Requirements = Requirements {
            groups: Vec::new(),
            claims: Vec::new(),
            #[cfg(feature = "status")]
            max_staleness: None,
        };
        &NONE
    }
}

/// Names sets of scopes as types, so that a handler says what it needs in its
/// signature.
///
/// ```
/// countersign_verify::scopes! {
///     /// May list users.
///     pub ListUsers = all("list:users");
///     pub Admin = any("admin", "users:write");
/// }
/// ```
#[macro_export]
macro_rules! scopes {
    ($($(#[$attribute:meta])* $visibility:vis $name:ident = $how:ident($($scope:literal),+ $(,)?);)+) => {$(
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug)]
        $visibility struct $name;

        impl $crate::Require for $name {
            fn requirements() -> &'static $crate::Requirements {
                static ASKED: ::std::sync::LazyLock<$crate::Requirements> =
                    ::std::sync::LazyLock::new(|| $crate::Requirements::$how([$($scope),+]));
                &ASKED
            }
        }
    )+};
}
