//! The base URL under which the server is reached.

use std::fmt;

use countersign_protocol::Issuer;

use super::error::Refusal;

/// Scheme, host and port of an http(s) URL, in the one form in which clients
/// send it back: lower case, no default port, no trailing slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BaseUrl(Box<str>);

impl BaseUrl {
    /// The URL as text: `https://auth.example.com`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and port as in a `Host` header: `auth.example.com` or `localhost:8787`.
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// The host without the port; an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        split_port(self.authority()).map_or("", |(host, _)| host)
    }

    /// Whether the scheme is https.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// The base URL of a server that listens on loopback.
    pub fn local(port: u16) -> Self {
        Self(format!("http://localhost:{port}").into())
    }

    /// The same with TLS.
    pub fn local_https(port: u16) -> Self {
        Self(format!("https://localhost:{port}").into())
    }

    /// The base URL that `text` is, if it is one in its normal form.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    /// The issuer of a mount below this base.
    pub fn issuer(&self, mount_path: &str) -> Option<Issuer> {
        Issuer::try_from(format!("{}{mount_path}", self.0).as_str()).ok()
    }

    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        if text.contains('@') {
            return Err(Refusal::new("holds a user name").hiding_value());
        }
        let refused = || Refusal::new("is not a base URL");
        let (scheme, rest) = text.split_once("://").ok_or_else(refused)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let normal = normal_form(scheme, authority).ok_or_else(refused)?;
        if !path.is_empty() {
            return Err(Refusal::new("has more than scheme, host and port").with_fix(format!("write {normal}")));
        }
        if normal != text {
            return Err(Refusal::new("is not in the form that clients send back").with_fix(format!("write {normal}")));
        }
        Ok(Self(text.into()))
    }
}

fn normal_form(scheme: &str, authority: &str) -> Option<String> {
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let (host, port) = split_port(authority)?;
    let host = normal_host(host)?;
    match port {
        Some(port) if port != default_port => Some(format!("{scheme}://{host}:{port}")),
        _ => Some(format!("{scheme}://{host}")),
    }
}

fn normal_host(host: &str) -> Option<String> {
    if let Some(address) = host.strip_prefix('[') {
        let address: std::net::Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    host.split('.').all(is_label).then(|| host.to_ascii_lowercase())
}

/// Host (an IPv6 address in brackets) and port of an authority without a user.
pub(super) fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after_address = authority.rfind(']').map_or(0, |at| at + 1);
    let Some(colon) = authority.get(after_address..)?.find(':').map(|at| after_address + at) else {
        return Some((authority, None));
    };
    let port = authority.get(colon + 1..)?;
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port: u16 = port.parse().ok().filter(|port| is_number && *port != 0)?;
    Some((authority.get(..colon)?, Some(port)))
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_normal_form() {
        for (text, authority) in [
            ("http://localhost:8787", "localhost:8787"),
            ("https://auth.example.com", "auth.example.com"),
            ("https://auth.example.com:8443", "auth.example.com:8443"),
            ("http://[::1]:8787", "[::1]:8787"),
            ("http://127.0.0.1", "127.0.0.1"),
            ("http://auth_server:8787", "auth_server:8787"),
        ] {
            let base = BaseUrl::parse(text).unwrap();
            assert_eq!((base.as_str(), base.authority(), base.is_https()), (text, authority, text.starts_with("https")));
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "localhost:8787",
            "ftp://a",
            "http://",
            "http:///x",
            "http://a:0",
            "http://a:x",
            "http://a:+1",
            "http://a:99999",
            "http://a:",
            "http://a b",
            "http://ä.de",
            "http://[::1",
            "http://[::g]",
            "http://[::1]x:1",
            "http://u@a",
            "http://a..b",
            "HTTP://a",
            "http://A",
            "http://a:80",
            "https://a:443",
            "http://a/",
            "http://a/x",
            "http://a?x",
            "http://a#x",
            "http://a:080",
            "http://[0::1]",
        ] {
            assert!(BaseUrl::parse(text).is_err(), "{text}");
        }
    }
}
