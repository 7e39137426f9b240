//! The public base URLs of this instance.

use countersign_protocol::Issuer;

/// A public base URL: scheme and authority, nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Box<str>);

impl BaseUrl {
    /// Checks a base URL: `http(s)://host[:port]` without path.
    pub fn parse(text: &str) -> Option<Self> {
        let issuer = Issuer::try_from(text).ok()?;
        (issuer.path().is_empty() && text.to_ascii_lowercase() == text).then(|| Self(text.into()))
    }

    /// The URL, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and port, as a request's Host header names them.
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// The issuer of a mount below this base.
    pub fn issuer(&self, mount_path: &str) -> Option<Issuer> {
        Issuer::try_from(format!("{}{mount_path}", self.0).as_str()).ok()
    }
}

/// The base a request arrived at: the one whose authority its Host names
/// exactly, otherwise the first. Nothing else of a request selects anything.
pub fn select<'a>(bases: &'a [BaseUrl], host: Option<&str>) -> Option<&'a BaseUrl> {
    bases.iter().find(|base| Some(base.authority()) == host).or_else(|| bases.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_only_chooses_among_configured_bases() {
        let bases: Vec<BaseUrl> = ["https://a.test", "http://b.test:81"].iter().map(|text| BaseUrl::parse(text).unwrap()).collect();
        for (host, expected) in [
            (Some("b.test:81"), "http://b.test:81"),
            (Some("b.test"), "https://a.test"),
            (Some("evil.test"), "https://a.test"),
            (None, "https://a.test"),
        ] {
            assert_eq!(select(&bases, host).unwrap().as_str(), expected, "{host:?}");
        }
    }
}
