//! The one bearer token of a request (RFC 6750 section 2.1).

use std::fmt;
use std::net::IpAddr;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use countersign_protocol::ErrorCode;

/// The scheme, compared without case (RFC 9110 section 11.1).
const SCHEME: &str = "bearer";

/// The address of whoever sent a request, for API keys that are accepted from some networks
/// only. Put it into the request's extensions, before the layer or the extractor of this
/// crate: behind a proxy, only you know which header to believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerAddress(pub IpAddr);

/// A bearer token as a request presented it: nothing about it is known yet.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    token: &'a str,
    address: Option<IpAddr>,
}

/// Why a request does not present exactly one bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresentedError {
    /// The header is not `Bearer` followed by one token.
    #[error("the Authorization header is not `Bearer` followed by one token")]
    Malformed,
    /// No bearer token at all, perhaps another scheme.
    #[error("no bearer token was presented")]
    Missing,
    /// More than one header, or more than one credential in one header.
    #[error("more than one credential was presented")]
    Several,
}

impl PresentedError {
    /// The stable code.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Malformed => ErrorCode::AuthorizationMalformed,
            Self::Missing => ErrorCode::TokenMissing,
            Self::Several => ErrorCode::SeveralTokens,
        }
    }
}

impl<'a> Presented<'a> {
    /// A token that came by another way than the Authorization header.
    pub const fn bearer(token: &'a str) -> Self {
        Self { token, address: None }
    }

    /// Where whoever presents it is. An API key may be accepted from some networks only.
    #[must_use]
    pub const fn from(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// The token of the Authorization header. Tokens in the query or in a form
    /// body are never looked for.
    ///
    /// # Errors
    /// [`PresentedError`] unless there is exactly one header with exactly one token.
    pub fn from_headers(headers: &'a HeaderMap) -> Result<Self, PresentedError> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(PresentedError::Missing)?;
        if values.next().is_some() {
            return Err(PresentedError::Several);
        }
        if let Some(token) = one_word(value.as_bytes()) {
            return Ok(Self::bearer(token));
        }
        let value = value.to_str().map_err(|_| PresentedError::Malformed)?.trim_matches([' ', '\t']);
        let Some(token) = bearer_credentials(value) else { return Err(PresentedError::Missing) };
        if token.split(',').skip(1).any(|part| bearer_credentials(part.trim_start_matches([' ', '\t'])).is_some()) {
            return Err(PresentedError::Several);
        }
        if token.is_empty() || token.contains([' ', '\t']) {
            return Err(PresentedError::Malformed);
        }
        Ok(Self::bearer(token))
    }

    /// Where whoever presents it is, as far as that was said.
    pub const fn address(self) -> Option<IpAddr> {
        self.address
    }

    /// The token.
    pub const fn token(self) -> &'a str {
        self.token
    }
}

/// What follows `Bearer ` if that is one word without a comma: what nearly every request has,
/// told without a branch for each byte.
fn one_word(value: &[u8]) -> Option<&str> {
    let (scheme, token) = value.split_at_checked(SCHEME.len() + 1)?;
    let is_bearer = scheme.strip_suffix(b" ").is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME.as_bytes()));
    let is_of_a_word = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    let is_word = token.iter().fold(true, |so_far, byte| so_far & is_of_a_word(*byte));
    if is_bearer && is_word && !token.is_empty() { std::str::from_utf8(token).ok() } else { None }
}

/// What follows `Bearer`, or `None` for another scheme.
fn bearer_credentials(value: &str) -> Option<&str> {
    let (scheme, credentials) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case(SCHEME).then(|| credentials.trim_start_matches(' '))
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").field("bytes", &self.token.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn present(values: &[&str]) -> Result<String, PresentedError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        Presented::from_headers(&headers).map(|presented| presented.token().to_owned())
    }

    #[test]
    fn the_scheme_has_no_case_and_any_number_of_spaces() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c", "bEaReR   a.b.c", "Bearer a.b.c "] {
            assert_eq!(present(&[value]).as_deref(), Ok("a.b.c"), "{value:?}");
        }
    }

    #[test]
    fn two_credentials_are_never_chosen_from() {
        for values in [&["Bearer a", "Bearer a"][..], &["Bearer a", "Basic b"], &["Bearer a, Bearer b"], &["Bearer a,bearer b"]] {
            assert_eq!(present(values), Err(PresentedError::Several), "{values:?}");
        }
    }

    #[test]
    fn what_is_not_one_word_is_malformed() {
        for value in ["Bearer", "Bearer ", "Bearer a b", "Bearer Bearer a", "Bearer a\tb", "Bearer a, b"] {
            assert_eq!(present(&[value]), Err(PresentedError::Malformed), "{value:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff").unwrap());
        assert_eq!(Presented::from_headers(&headers).unwrap_err(), PresentedError::Malformed);
    }

    #[test]
    fn another_scheme_presents_no_bearer_token() {
        for values in [&[][..], &["Basic YTpi"], &["DPoP a.b.c"], &["Bearera.b.c"], &["Token Bearer a"], &[""]] {
            assert_eq!(present(values), Err(PresentedError::Missing), "{values:?}");
        }
    }

    #[test]
    fn debug_does_not_show_the_token() {
        assert_eq!(format!("{:?}", Presented::bearer("secret")), "Presented { bytes: 6, .. }");
    }
}
