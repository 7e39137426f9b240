//! The URL of a management API.

use std::fmt;

use url::Url;

use super::ProfileError;

/// What the base URL of the server is followed by.
const PATH: &str = "/manage/v1";

/// An absolute http(s) URL that ends with `/manage/v1`. It is the audience of the
/// tokens for this API too, so it stays as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManagementUrl(String);

impl ManagementUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`ProfileError::Url`].
    pub(crate) fn parse(text: &str) -> Result<Self, ProfileError> {
        let refused = || ProfileError::Url(text.escape_debug().to_string());
        let url = Url::parse(text).map_err(|_| refused())?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        let is_accepted = matches!(url.scheme(), "http" | "https") && is_plain && text.ends_with(PATH) && url.as_str() == text;
        if is_accepted { Ok(Self(text.to_owned())) } else { Err(refused()) }
    }

    /// The URL of the management API of the server with this base URL.
    ///
    /// # Errors
    /// [`ProfileError::Url`].
    pub(crate) fn of_base(base: &str) -> Result<Self, ProfileError> {
        Self::parse(&format!("{base}{PATH}"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The base URL of the server.
    pub(crate) fn base(&self) -> &str {
        self.0.strip_suffix(PATH).unwrap_or(&self.0)
    }

    /// Where tokens for this API come from.
    pub(crate) fn token_url(&self) -> String {
        format!("{}/oauth2/default/v1/token", self.base())
    }
}

impl fmt::Display for ManagementUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_a_management_api_are_accepted() {
        let url = ManagementUrl::parse("https://auth.example.com/manage/v1").unwrap();
        assert_eq!(
            (url.base(), &*url.token_url()),
            ("https://auth.example.com", "https://auth.example.com/oauth2/default/v1/token")
        );
        for text in [
            "",
            "auth.example.com/manage/v1",
            "https://auth.example.com",
            "https://auth.example.com/manage/v1/",
            "https://auth.example.com/manage/v1?x=/manage/v1",
            "https://user:secret@auth.example.com/manage/v1",
            "https://AUTH.example.com/manage/v1",
            "ftp://auth.example.com/manage/v1",
        ] {
            assert!(ManagementUrl::parse(text).is_err(), "{text}");
        }
    }
}
