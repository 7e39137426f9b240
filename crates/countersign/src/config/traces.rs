//! `[traces]`: OpenTelemetry traces.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::{ConfigError, Refusal};
use super::reader::Reader;
use super::setting::{Fallback, Kind, Section, Setting};

/// Where traces go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracesConfig {
    /// The URL that spans are posted to; `None`: there are no traces.
    pub endpoint: Option<String>,
    /// Headers of every export, their values marked as sensitive: `Debug` hides them.
    pub headers: HeaderMap,
    /// How many of the traces that begin here are kept.
    pub sample_ratio: Ratio,
    /// Whether a collector beyond the loopback may be reached without TLS.
    pub allow_plaintext: bool,
}

/// A part of a whole, to a millionth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ratio(u32);

impl Ratio {
    /// The whole.
    pub const ONE: Self = Self(1_000_000);

    /// From 0 to 1.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1_000_000.0
    }
}

pub(super) static SECTION: Section = Section {
    name: "traces",
    doc: "OpenTelemetry traces, exported as OTLP over HTTP. Off unless an endpoint is set.",
    settings: &[&ENDPOINT, &HEADERS, &HEADERS_FILE, &SAMPLE_RATIO, &ALLOW_PLAINTEXT],
};

static ENDPOINT: Setting = Setting {
    key: "traces.endpoint",
    kind: Kind::Text { form: "an http(s) URL with its path, such as `https://collector.example.com/v1/traces`" },
    default: Fallback::Unset,
    doc: "The URL that spans are posted to, in protobuf. Plain http is for a collector on the same machine, unless \
          `traces.allow_plaintext` is set.",
};

static HEADERS: Setting = Setting {
    key: "traces.headers",
    kind: Kind::Secret { form: "`name=value`, several with commas between them, such as `authorization=Bearer abc`" },
    default: Fallback::Unset,
    doc: "Headers of every export, such as the collector's key. Prefer `traces.headers_file`.",
};

static HEADERS_FILE: Setting = Setting {
    key: "traces.headers_file",
    kind: Kind::Path,
    default: Fallback::Unset,
    doc: "File that holds `traces.headers`; one newline at its end is ignored.",
};

static SAMPLE_RATIO: Setting = Setting {
    key: "traces.sample_ratio",
    kind: Kind::Ratio,
    default: Fallback::Value("1"),
    doc: "How many of the traces that begin here are kept, from 0 (none) to 1 (all). A request with a `traceparent` header \
          follows the decision of whoever sent it.",
};

static ALLOW_PLAINTEXT: Setting = Setting {
    key: "traces.allow_plaintext",
    kind: Kind::Bool,
    default: Fallback::Value("false"),
    doc: "Allows a plain http endpoint beyond loopback: spans and `traces.headers` then cross the network unencrypted.",
};

impl TracesConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        // Unset is none; what is wrong is recorded as an error.
        let endpoint = reader.value(&ENDPOINT, parse_endpoint);
        let place = reader.place(&HEADERS);
        let headers = reader.secret(&HEADERS, &HEADERS_FILE);
        let sample_ratio = reader.value(&SAMPLE_RATIO, parse_ratio);
        let allow_plaintext = reader.boolean(&ALLOW_PLAINTEXT);
        let headers = match headers.as_ref().map(|text| parse_headers(text.expose())) {
            None => HeaderMap::new(),
            Some(Some(headers)) => headers,
            Some(None) => {
                reader.refuse(ConfigError::of(&HEADERS, &place, "are no headers"));
                return None;
            }
        };
        Some(Self { endpoint, headers, sample_ratio: sample_ratio?, allow_plaintext: allow_plaintext? })
    }
}

fn parse_endpoint(text: &str) -> Result<String, Refusal> {
    // A user name in a URL is a secret in the wrong place.
    let refused = || Refusal::new("is no http(s) URL, or holds a user name").hiding_value();
    let url = url::Url::parse(text).map_err(|_| refused())?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.has_host();
    if matches!(url.scheme(), "http" | "https") && is_plain { Ok(url.into()) } else { Err(refused()) }
}

fn parse_ratio(text: &str) -> Result<Ratio, Refusal> {
    let value: f64 = text.parse().map_err(|_| Refusal::new("is not a number"))?;
    if !(0.0..=1.0).contains(&value) {
        return Err(Refusal::new("is out of bounds"));
    }
    #[expect(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1,000,000")]
    Ok(Ratio((value * 1_000_000.0).round() as u32))
}

fn parse_headers(text: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for pair in text.split(',') {
        let (name, value) = pair.split_once('=')?;
        let name: HeaderName = name.trim().parse().ok()?;
        let mut value: HeaderValue = value.trim().parse().ok()?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_lies_between_nothing_and_everything() {
        assert_eq!(parse_ratio("0.05").unwrap().as_f64(), 0.05);
        assert_eq!(parse_ratio("1").unwrap(), Ratio::ONE);
        for text in ["-0.1", "1.01", "NaN", "inf", "", "5%"] {
            assert!(parse_ratio(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_are_pairs() {
        let headers = parse_headers("authorization=Bearer a=b, x-scope = c").unwrap();
        assert_eq!((headers["authorization"].as_bytes(), headers["x-scope"].as_bytes()), (&b"Bearer a=b"[..], &b"c"[..]));
        assert!(headers["authorization"].is_sensitive());
        for text in ["", "a", "a b=c", "=c", "a=b\nc"] {
            assert!(parse_headers(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_endpoint_is_a_url_without_a_user() {
        assert!(parse_endpoint("http://localhost:4318/v1/traces").is_ok());
        for text in ["", "localhost:4318", "ftp://a.test/", "https://u@a.test/", "/v1/traces"] {
            assert!(parse_endpoint(text).is_err(), "{text}");
        }
    }
}
