//! RFC error codes and the Bearer challenge (RFC 6749 section 5.2, RFC 6750 section 3).

use std::fmt::{self, Write as _};

/// The closed set of token-endpoint errors, each with its fixed status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OAuthErrorCode {
    /// RFC 6749 section 5.2.
    InvalidClient,
    /// RFC 6749 section 5.2.
    InvalidGrant,
    /// RFC 6749 section 5.2.
    InvalidRequest,
    /// RFC 6749 section 5.2.
    InvalidScope,
    /// RFC 8707 section 2.
    InvalidTarget,
    /// RFC 8628 section 3.5: the request may be repeated, later. The one registered code
    /// of the token endpoint that says so.
    SlowDown,
    /// RFC 6749 section 5.2.
    UnauthorizedClient,
    /// RFC 6749 section 5.2.
    UnsupportedGrantType,
}

impl OAuthErrorCode {
    /// The registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::SlowDown => "slow_down",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }

    /// The HTTP status: 401 for `invalid_client`, 429 for `slow_down`, 400 for
    /// everything else.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            Self::SlowDown => 429,
            Self::InvalidGrant
            | Self::InvalidRequest
            | Self::InvalidScope
            | Self::InvalidTarget
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType => 400,
        }
    }
}

/// A `WWW-Authenticate: Bearer` value under construction. Each attribute occurs
/// at most once; characters outside RFC 6750 section 3 become `'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BearerChallenge(String);

impl BearerChallenge {
    /// A challenge that names only the realm.
    pub fn new(realm: &str) -> Self {
        let mut challenge = Self("Bearer".to_owned());
        challenge.attribute(" ", "realm", realm);
        challenge
    }

    /// Adds `error`.
    #[must_use]
    pub fn error(mut self, error: &str) -> Self {
        self.attribute(", ", "error", error);
        self
    }

    /// Adds `error_description`.
    #[must_use]
    pub fn description(mut self, description: &str) -> Self {
        self.attribute(", ", "error_description", description);
        self
    }

    /// Adds `scope`.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        self.attribute(", ", "scope", scope);
        self
    }

    /// Adds `resource_metadata` (RFC 9728 section 5.1).
    #[must_use]
    pub fn resource_metadata(mut self, url: &str) -> Self {
        self.attribute(", ", "resource_metadata", url);
        self
    }

    /// The header value: visible ASCII and spaces.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn attribute(&mut self, separator: &str, name: &str, value: &str) {
        let _ = write!(self.0, "{separator}{name}=\"");
        let legal = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
        self.0.extend(value.chars().map(|c| if legal(c) { c } else { '\'' }));
        self.0.push('"');
    }
}

impl fmt::Display for BearerChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_line_breaks_cannot_leave_the_attribute() {
        let challenge = BearerChallenge::new("a\"\r\nX: y\\").error("invalid_token");
        assert_eq!(challenge.as_str(), "Bearer realm=\"a'''X: y'\", error=\"invalid_token\"");
    }
}
