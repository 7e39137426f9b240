//! Request bodies of the OAuth endpoints, read once and strictly.

use std::fmt::{self, Write as _};

use serde_json::Value;
use zeroize::Zeroize;

use crate::jose::json;

/// Most parameters of one request.
const MAX_PARAMETERS: usize = 64;

/// Why a request body was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Broken percent-encoding, invalid UTF-8, or JSON that is no flat object.
    #[error("the request body is malformed")]
    Malformed,
    /// A parameter other than `resource` occurs twice (RFC 6749 section 3.2).
    #[error("a parameter was sent more than once")]
    Repeated,
    /// More parameters than any request needs.
    #[error("the request has more than {MAX_PARAMETERS} parameters")]
    TooMany,
}

/// The parameters of one request. An empty value counts as omitted
/// (RFC 6749 section 3.2); only `resource` may repeat (RFC 8707 section 2).
#[derive(Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// [`BodyError`] for broken encoding, a repeated parameter or too many of them.
    pub fn from_form(body: &[u8]) -> Result<Self, BodyError> {
        let mut parameters = Self::default();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = form_decode(halves.next().unwrap_or_default()).ok_or(BodyError::Malformed)?;
            let value = form_decode(halves.next().unwrap_or_default()).ok_or(BodyError::Malformed)?;
            parameters.push(name, value)?;
        }
        Ok(parameters)
    }

    /// Reads a flat JSON object: strings, `null` for omitted, and an array of
    /// strings for `resource`.
    ///
    /// # Errors
    /// [`BodyError`] for anything else, duplicate members included.
    pub fn from_json(body: &[u8]) -> Result<Self, BodyError> {
        let members = json::strict_object(body).map_err(|error| match error {
            json::JsonError::DuplicateMember => BodyError::Repeated,
            json::JsonError::Malformed => BodyError::Malformed,
        })?;
        let mut parameters = Self::default();
        for (name, value) in members {
            match value {
                Value::Null => {}
                Value::String(text) => parameters.push(name, text)?,
                Value::Array(items) if name == "resource" => {
                    for item in items {
                        let Value::String(text) = item else { return Err(BodyError::Malformed) };
                        parameters.push(name.clone(), text)?;
                    }
                }
                // Parameters we do not know may have any shape (RFC 6749 section 3.2: ignore them).
                Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    if KNOWN.contains(&name.as_str()) {
                        return Err(BodyError::Malformed);
                    }
                }
            }
        }
        Ok(parameters)
    }

    /// The value of `name`, or `None` when it was omitted or empty.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, value)| own == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Every value of `name`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, value)| own == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    fn push(&mut self, name: String, value: String) -> Result<(), BodyError> {
        if self.0.len() == MAX_PARAMETERS {
            return Err(BodyError::TooMany);
        }
        if name != "resource" && self.0.iter().any(|(own, _)| *own == name) {
            return Err(BodyError::Repeated);
        }
        self.0.push((name, value));
        Ok(())
    }
}

/// Parameters whose JSON value must be a string.
const KNOWN: &[&str] = &[
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "audience",
    "resource",
    "scope",
    "token",
];

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        for (_, value) in &mut self.0 {
            value.zeroize();
        }
    }
}

/// Decodes one form-urlencoded component; `None` for broken escapes or invalid UTF-8.
pub(crate) fn form_decode(bytes: &[u8]) -> Option<String> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

/// Encodes one form-urlencoded component.
pub fn form_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            other => {
                let _ = write!(encoded, "%{other:02X}");
            }
        }
    }
    encoded
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_counts_as_omitted() {
        let parameters = Parameters::from_form(b"scope=&grant_type=client_credentials").unwrap();
        assert_eq!(parameters.find("scope"), None);
        assert_eq!(parameters.find("grant_type"), Some("client_credentials"));
    }

    #[test]
    fn a_repeated_parameter_is_refused_however_it_is_spelled() {
        for body in ["scope=a&scope=b", "scope=a&sc%6Fpe=b", "x=1&x=", "client_id=a&client_id=a"] {
            assert_eq!(Parameters::from_form(body.as_bytes()).unwrap_err(), BodyError::Repeated, "{body}");
        }
        assert_eq!(Parameters::from_json(br#"{"scope":"a","sc\u006fpe":"b"}"#).unwrap_err(), BodyError::Repeated);
    }

    #[test]
    fn resource_may_repeat() {
        let parameters = Parameters::from_form(b"resource=a&resource=b").unwrap();
        assert_eq!(parameters.all("resource").count(), 2);
        let parameters = Parameters::from_json(br#"{"resource":["a","b"]}"#).unwrap();
        assert_eq!(parameters.all("resource").count(), 2);
    }

    #[test]
    fn broken_encoding_is_refused() {
        for body in [&b"a=%"[..], b"a=%4", b"a=%zz", b"a=%ff", b"\xff=a", b"a=%+1"] {
            assert_eq!(Parameters::from_form(body).unwrap_err(), BodyError::Malformed, "{body:?}");
        }
    }

    #[test]
    fn json_null_is_omitted_and_other_shapes_are_refused() {
        let parameters = Parameters::from_json(br#"{"organization":null,"scope":null,"audience":"x","x":1}"#).unwrap();
        assert_eq!((parameters.find("scope"), parameters.find("audience")), (None, Some("x")));
        for body in [&b"[]"[..], b"{\"scope\":1}", b"{\"scope\":[\"a\"]}", b"{}{}", b"\"a\""] {
            assert_eq!(Parameters::from_json(body).unwrap_err(), BodyError::Malformed);
        }
    }

    #[test]
    fn the_number_of_parameters_is_bounded() {
        let body: Vec<String> = (0..10_000).map(|n| format!("p{n}=1")).collect();
        assert_eq!(Parameters::from_form(body.join("&").as_bytes()).unwrap_err(), BodyError::TooMany);
    }

    #[test]
    fn debug_shows_names_only() {
        let parameters = Parameters::from_form(b"client_secret=hunter2").unwrap();
        assert!(!format!("{parameters:?}").contains("hunter2"));
    }
}
