//! Issuer identifiers (RFC 8414 section 2).

use std::fmt;

/// An issuer identifier: an absolute http(s) URL without query and fragment.
/// Compared byte for byte; a trailing slash matters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Issuer(Box<str>);

/// The text is no issuer identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an issuer is an absolute http(s) URL without query, fragment or white space")]
pub struct InvalidIssuer;

impl Issuer {
    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme and authority, without a trailing slash: `https://host:port`.
    pub fn origin(&self) -> &str {
        self.0.get(..self.authority_end()).unwrap_or(&self.0)
    }

    /// Everything after the authority: empty, `/` or `/path`.
    pub fn path(&self) -> &str {
        self.0.get(self.authority_end()..).unwrap_or("")
    }

    /// The URL of a path below this issuer; `path` has no leading slash.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}/{path}", self.0.trim_end_matches('/'))
    }

    /// The URL of a well-known document in the inserted form: between authority and
    /// path, whose terminating slash is left out (RFC 8414 section 3.1).
    pub fn well_known(&self, name: &str) -> String {
        format!("{}/.well-known/{name}{}", self.origin(), self.path().trim_end_matches('/'))
    }

    /// Whether the scheme is https.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    fn authority_end(&self) -> usize {
        let start = self.0.find("://").map_or(0, |at| at + 3);
        let rest = self.0.get(start..).unwrap_or("");
        rest.find('/').map_or(self.0.len(), |at| start + at)
    }
}

impl TryFrom<&str> for Issuer {
    type Error = InvalidIssuer;

    fn try_from(text: &str) -> Result<Self, InvalidIssuer> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(InvalidIssuer)?;
        let legal = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'"' | b'\\' | b'@');
        if rest.is_empty() || rest.starts_with('/') || text.len() > 512 || !rest.bytes().all(legal) {
            return Err(InvalidIssuer);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_origin_and_path() {
        let root = Issuer::try_from("http://localhost:8787/").unwrap();
        assert_eq!((root.origin(), root.path()), ("http://localhost:8787", "/"));
        assert_eq!(root.endpoint("oauth/token"), "http://localhost:8787/oauth/token");
        let custom = Issuer::try_from("https://as.test/oauth2/default").unwrap();
        assert_eq!((custom.origin(), custom.path()), ("https://as.test", "/oauth2/default"));
        assert_eq!(custom.endpoint("v1/keys"), "https://as.test/oauth2/default/v1/keys");
    }

    #[test]
    fn a_well_known_document_lies_between_authority_and_path() {
        for (issuer, url) in [
            ("https://as.test", "https://as.test/.well-known/oauth-authorization-server"),
            ("https://as.test/", "https://as.test/.well-known/oauth-authorization-server"),
            ("https://as.test/a/b", "https://as.test/.well-known/oauth-authorization-server/a/b"),
            ("https://as.test:8443/a/", "https://as.test:8443/.well-known/oauth-authorization-server/a"),
        ] {
            assert_eq!(Issuer::try_from(issuer).unwrap().well_known("oauth-authorization-server"), url);
        }
    }

    #[test]
    fn refuses_what_is_no_issuer() {
        for text in
            ["", "as.test", "ftp://as.test", "https://", "https:///x", "https://a?b", "https://a#b", "https://a b", "https://u@h"]
        {
            assert!(Issuer::try_from(text).is_err(), "{text:?}");
        }
    }
}
