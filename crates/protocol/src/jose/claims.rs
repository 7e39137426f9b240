//! The claims of access tokens (RFC 7519 section 4.1, RFC 9068 section 2.2).

use serde_json::{Map, Value, json};

use super::json::{JsonError, strict_object};
use super::json_object::JsonObject;
use crate::status::StatusReference;
use crate::{Check, Timestamp};

/// The claims of a JWT access token as Countersign writes them.
#[derive(Debug)]
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
    pub scope: &'a str,
    /// Where the status of the token stands, if a list has a place for it.
    pub status: Option<&'a StatusReference>,
    /// Members that a profile adds.
    pub profile: Map<String, Value>,
}

impl AccessTokenClaims<'_> {
    /// The claims as a JSON object.
    pub fn to_json(&self) -> String {
        let mut claims = JsonObject::with_capacity(512);
        claims.text("iss", self.iss).text("sub", self.sub).text("aud", self.aud);
        claims.text("client_id", self.client_id).text("cred", self.cred);
        claims.number("iat", self.iat).number("exp", self.exp).text("jti", self.jti);
        if !self.scope.is_empty() {
            claims.text("scope", self.scope);
        }
        if let Some(StatusReference { index, uri }) = self.status {
            claims.value("status", &json!({ "status_list": { "idx": index, "uri": uri } }));
        }
        for (name, value) in &self.profile {
            claims.value(name, value);
        }
        claims.end()
    }
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
        Self::from_members(all)
    }

    /// Reads claims that came by another way than a token: the members of an
    /// introspection response.
    ///
    /// # Errors
    /// [`ClaimsError::Claim`].
    pub fn from_members(all: Map<String, Value>) -> Result<Self, ClaimsError> {
        Ok(Self {
            issuer: issuer(&all)?,
            audience: audience(&all)?,
            expires_at: expiry(&all)?,
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
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) if !Check::ClaimType.is_on() => Ok(None),
        Some(_) => Err(ClaimsError::Claim(name)),
    }
}

fn issuer(claims: &Map<String, Value>) -> Result<String, ClaimsError> {
    match optional_string(claims, "iss")? {
        Some(issuer) => Ok(issuer),
        None if !Check::ClaimType.is_on() => Ok(String::new()),
        None => Err(ClaimsError::Claim("iss")),
    }
}

fn expiry(claims: &Map<String, Value>) -> Result<Timestamp, ClaimsError> {
    match optional_time(claims, "exp")? {
        Some(expires_at) => Ok(expires_at),
        None if !Check::ExpiryPresent.is_on() && !claims.contains_key("exp") => Ok(Timestamp::from_seconds(i64::MAX)),
        None if !Check::ClaimType.is_on() && claims.contains_key("exp") => Ok(Timestamp::from_seconds(i64::MAX)),
        None => Err(ClaimsError::Claim("exp")),
    }
}

/// A NumericDate as we accept it: a whole number of seconds that is not negative.
fn optional_time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, ClaimsError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    match value.as_i64().filter(|seconds| *seconds >= 0) {
        Some(seconds) => Ok(Some(Timestamp::from_seconds(seconds))),
        None if !Check::ClaimType.is_on() => Ok(None),
        None => Err(ClaimsError::Claim(name)),
    }
}

fn audience(claims: &Map<String, Value>) -> Result<AudienceClaim, ClaimsError> {
    let wrong = ClaimsError::Claim("aud");
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(AudienceClaim::One(one.clone())),
        Some(Value::Array(claimed)) => {
            let several: Option<Vec<String>> = claimed.iter().map(|value| value.as_str().map(str::to_owned)).collect();
            match several {
                Some(several) => Ok(AudienceClaim::Several(several)),
                None if !Check::ClaimType.is_on() => {
                    Ok(AudienceClaim::Several(claimed.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()))
                }
                None => Err(wrong),
            }
        }
        _ if !Check::ClaimType.is_on() => Ok(AudienceClaim::Several(Vec::new())),
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
