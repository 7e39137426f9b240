//! Paths below the management URL.

use anyhow::bail;
use std::fmt::Write as _;

/// A path of segments, each encoded so that what a user typed stays one segment.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Path(String);

impl Path {
    /// The path of these segments.
    ///
    /// # Errors
    /// A segment that is empty or that proxies read as a step in the path.
    pub(in crate::cli) fn of(segments: &[&str]) -> anyhow::Result<Self> {
        let mut path = String::new();
        for segment in segments {
            if matches!(*segment, "" | "." | "..") {
                bail!("`{segment}` is no id");
            }
            path.push('/');
            push_encoded(&mut path, segment);
        }
        Ok(Self(path))
    }

    /// The same with a query that narrows a list.
    #[must_use]
    pub(in crate::cli) fn narrowed(mut self, parameters: &[(&str, Option<&str>)]) -> Self {
        for (name, value) in parameters.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
            self.0.push(if self.0.contains('?') { '&' } else { '?' });
            self.0.push_str(name);
            self.0.push('=');
            push_encoded(&mut self.0, value);
        }
        self
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Everything but the unreserved characters of RFC 3986 section 2.3.
fn push_encoded(path: &mut String, segment: &str) {
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_types_stays_one_segment() {
        let path = Path::of(&["clients", "a/../b?c#d e\r\n%2F", "grants"]).unwrap();
        assert_eq!(path.as_str(), "/clients/a%2F..%2Fb%3Fc%23d%20e%0D%0A%252F/grants");
        let narrowed = Path::of(&["refusals"]).unwrap().narrowed(&[("a", None), ("b", Some("x&y=z")), ("c", Some("1"))]);
        assert_eq!(narrowed.as_str(), "/refusals?b=x%26y%3Dz&c=1");
        for id in ["", ".", ".."] {
            assert!(Path::of(&["clients", id]).is_err(), "{id}");
        }
    }
}
