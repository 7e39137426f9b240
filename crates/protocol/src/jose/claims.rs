//! The claims of access tokens (RFC 7519 section 4.1, RFC 9068 section 2.2).

use serde::Serialize;
use serde_json::{Map, Value};

use super::json::{JsonError, strict_object};
use crate::Timestamp;

/// The claims of a JWT access token as Countersign writes them.
#[derive(Debug, Serialize)]
pub struct AccessTokenClaims<'a> {
    /// The mount that was used.
    pub iss: &'a str,
    /// The client: for client credentials there is no other subject.
    pub sub: &'a str,
    /// The one resource server.
    pub aud: &'a str,
    /// The client.
    pub client_id: &'a str,
    /// The credential that obtained the token.
    pub cred: &'a str,
    /// Seconds since the epoch, floored.
    pub iat: i64,
    /// Seconds since the epoch.
    pub exp: i64,
    /// Unique token id.
    pub jti: &'a str,
    /// Space-separated scope; omitted when empty.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub scope: &'a str,
    /// Members that a profile adds.
    #[serde(flatten)]
    pub profile: Map<String, Value>,
}

/// `aud` as it was sent: one string or several (RFC 7519 section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudienceClaim {
    /// A string.
    One(String),
    /// An array of strings.
    Several(Vec<String>),
}

impl AudienceClaim {
    /// Whether `audience` is named, compared byte for byte.
    pub fn names(&self, audience: &str) -> bool {
        match self {
            Self::One(own) => own == audience,
            Self::Several(several) => several.iter().any(|own| own == audience),
        }
    }
}

/// The claims of a verified token: registered ones typed, all of them at hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: AudienceClaim,
    /// `exp`; required.
    pub expires_at: Timestamp,
    /// `nbf`.
    pub not_before: Option<Timestamp>,
    /// `iat`.
    pub issued_at: Option<Timestamp>,
    /// `sub`.
    pub subject: Option<String>,
    /// `client_id`.
    pub client_id: Option<String>,
    /// `jti`.
    pub token_id: Option<String>,
    /// Every claim, the registered ones included.
    pub all: Map<String, Value>,
}

/// Why a payload is not a set of access-token claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// A claim occurs twice.
    #[error("a claim occurs twice")]
    DuplicateMember,
    /// The payload is no JSON object.
    #[error("the payload is no JSON object")]
    Json,
    /// A registered claim is missing or of the wrong type.
    #[error("the claim {0} is missing or of the wrong type")]
    Claim(&'static str),
}

impl Claims {
    /// Reads the payload of a token whose signature was verified.
    ///
    /// # Errors
    /// [`ClaimsError`] for malformed JSON and for registered claims of the wrong type.
    pub fn parse(payload: &[u8]) -> Result<Self, ClaimsError> {
        let all = strict_object(payload).map_err(|error| match error {
            JsonError::DuplicateMember => ClaimsError::DuplicateMember,
            JsonError::Malformed => ClaimsError::Json,
        })?;
        Ok(Self {
            issuer: optional_string(&all, "iss")?.ok_or(ClaimsError::Claim("iss"))?,
            audience: audience(&all)?,
            expires_at: optional_time(&all, "exp")?.ok_or(ClaimsError::Claim("exp"))?,
            not_before: optional_time(&all, "nbf")?,
            issued_at: optional_time(&all, "iat")?,
            subject: optional_string(&all, "sub")?,
            client_id: optional_string(&all, "client_id")?,
            token_id: optional_string(&all, "jti")?,
            all,
        })
    }
}

fn optional_string(claims: &Map<String, Value>, name: &'static str) -> Result<Option<String>, ClaimsError> {
    claims.get(name).map(|value| value.as_str().map(str::to_owned).ok_or(ClaimsError::Claim(name))).transpose()
}

/// A NumericDate as we accept it: a whole number of seconds that is not negative.
fn optional_time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, ClaimsError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_i64().filter(|seconds| *seconds >= 0).ok_or(ClaimsError::Claim(name))?;
    Ok(Some(Timestamp::from_seconds(seconds)))
}

fn audience(claims: &Map<String, Value>) -> Result<AudienceClaim, ClaimsError> {
    let wrong = ClaimsError::Claim("aud");
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(AudienceClaim::One(one.clone())),
        Some(Value::Array(several)) => {
            let several: Option<Vec<String>> = several.iter().map(|value| value.as_str().map(str::to_owned)).collect();
            several.map(AudienceClaim::Several).ok_or(wrong)
        }
        _ => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(claims: &str) -> Result<Claims, ClaimsError> {
        Claims::parse(claims.as_bytes())
    }

    #[test]
    fn exp_is_a_whole_number_of_seconds() {
        for exp in ["null", "\"9999999999\"", "-1", "1.5", "[1]", "{}", "true", "18446744073709551615"] {
            assert_eq!(parse(&format!(r#"{{"iss":"i","aud":"a","exp":{exp}}}"#)), Err(ClaimsError::Claim("exp")), "{exp}");
        }
        assert_eq!(parse(r#"{"iss":"i","aud":"a"}"#), Err(ClaimsError::Claim("exp")));
        assert_eq!(parse(r#"{"iss":"i","aud":"a","exp":1e400}"#), Err(ClaimsError::Json));
    }

    #[test]
    fn aud_is_a_string_or_an_array_of_strings() {
        for aud in ["5", "null", "{\"a\":1}", "[5]", "[\"a\",null]"] {
            assert_eq!(parse(&format!(r#"{{"iss":"i","aud":{aud},"exp":1}}"#)), Err(ClaimsError::Claim("aud")), "{aud}");
        }
        assert!(parse(r#"{"iss":"i","aud":["x","a"],"exp":1}"#).unwrap().audience.names("a"));
        assert!(!parse(r#"{"iss":"i","aud":[],"exp":1}"#).unwrap().audience.names("a"));
    }

    #[test]
    fn a_claim_that_occurs_twice_is_refused() {
        assert_eq!(parse(r#"{"iss":"i","aud":"a","\u0061ud":"b","exp":1}"#), Err(ClaimsError::DuplicateMember));
    }
}
