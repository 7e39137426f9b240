//! Protected resource metadata (RFC 9728).

use std::fmt;

use serde::Serialize;

/// The well-known name of RFC 9728 section 3.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The identifier of a protected resource: an absolute http(s) URL without query
/// and fragment (RFC 9728 section 1.2; the query is one that nobody should have).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProtectedResource {
    url: Box<str>,
    /// Where the path begins.
    path: usize,
}

/// The text is no resource identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a protected resource is an absolute http(s) URL without query, fragment or white space")]
pub struct InvalidProtectedResource;

impl ProtectedResource {
    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The URL of the metadata (RFC 9728 section 3.1).
    pub fn metadata_url(&self) -> String {
        format!("{}{}", self.url.get(..self.path).unwrap_or_default(), self.metadata_path())
    }

    /// The path: empty, or from its slash on.
    pub fn path(&self) -> &str {
        self.url.get(self.path..).unwrap_or_default()
    }

    /// The path of the metadata: the well-known name, then the resource's own path.
    /// A slash that is all of the path is left out.
    pub fn metadata_path(&self) -> String {
        let path = self.path();
        format!("{WELL_KNOWN}{}", if path == "/" { "" } else { path })
    }
}

impl TryFrom<&str> for ProtectedResource {
    type Error = InvalidProtectedResource;

    fn try_from(text: &str) -> Result<Self, InvalidProtectedResource> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(InvalidProtectedResource)?;
        let legal = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'"' | b'\\' | b'@' | b'{' | b'}');
        if rest.is_empty() || rest.starts_with('/') || text.len() > 512 || !rest.bytes().all(legal) {
            return Err(InvalidProtectedResource);
        }
        let path = text.len() - rest.find('/').map_or(0, |at| rest.len() - at);
        Ok(Self { url: text.into(), path })
    }
}

impl fmt::Display for ProtectedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// The metadata document (RFC 9728 section 2). Empty members are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProtectedResourceMetadata {
    /// The resource, byte for byte.
    pub resource: String,
    /// The issuers whose tokens it takes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_servers: Vec<String>,
    /// Scopes that its routes ask for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// Where it looks for a token: nowhere but in the Authorization header.
    pub bearer_methods_supported: [&'static str; 1],
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// Where people can read about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_documentation: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_name_comes_before_the_path() {
        for (resource, url) in [
            ("https://api.test", "https://api.test/.well-known/oauth-protected-resource"),
            ("https://api.test/", "https://api.test/.well-known/oauth-protected-resource"),
            ("https://api.test:8443/users", "https://api.test:8443/.well-known/oauth-protected-resource/users"),
            ("https://api.test/a/b/", "https://api.test/.well-known/oauth-protected-resource/a/b/"),
            ("http://localhost:1", "http://localhost:1/.well-known/oauth-protected-resource"),
        ] {
            assert_eq!(ProtectedResource::try_from(resource).unwrap().metadata_url(), url, "{resource}");
        }
    }

    #[test]
    fn refuses_what_is_no_resource() {
        for text in
            ["", "api.test", "urn:api", "https://", "https:///x", "https://a?b", "https://a#b", "https://a b", "https://u@h"]
        {
            assert!(ProtectedResource::try_from(text).is_err(), "{text:?}");
        }
    }
}
