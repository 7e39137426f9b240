//! Which of the configured base URLs a request arrived at.

use crate::config::BaseUrl;

/// The base whose authority the Host header names exactly, otherwise the first.
/// Nothing else of a request selects anything.
pub fn select<'a>(bases: &'a [BaseUrl], host: Option<&str>) -> Option<&'a BaseUrl> {
    bases.iter().find(|base| Some(base.authority()) == host).or_else(|| bases.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_only_chooses_among_configured_bases() {
        let bases: Vec<BaseUrl> =
            ["https://a.test", "http://b.test:81"].iter().map(|text| BaseUrl::from_text(text).unwrap()).collect();
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
