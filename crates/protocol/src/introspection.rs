//! Token introspection (RFC 7662) and what it shares with revocation (RFC 7009).

use serde::Serialize;
use serde::ser::Error as _;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::jose::json_object::JsonObject;
use crate::{Parameters, Secret};

/// A request about one token (RFC 7662 section 2.1, RFC 7009 section 2.1).
/// `token_type_hint` does not matter: a token is found without it or despite it.
#[derive(Debug)]
pub struct PresentedToken(Secret<String>);

/// `token` is missing or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`token` is missing")]
pub struct TokenParameterMissing;

impl PresentedToken {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`TokenParameterMissing`].
    pub fn parse(parameters: &Parameters) -> Result<Self, TokenParameterMissing> {
        parameters.find("token").map(|token| Self(Secret::new(token.to_owned()))).ok_or(TokenParameterMissing)
    }

    /// The token; any text.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// The answer to an introspection (RFC 7662 section 2.2).
#[derive(Clone, Debug, PartialEq)]
pub enum IntrospectionResponse {
    /// The token is good, and the caller may know.
    Active(Map<String, Value>),
    /// Anything else; nothing more is said.
    Inactive,
}

impl IntrospectionResponse {
    /// The response as a JSON object.
    pub fn to_json(&self) -> String {
        let mut members = JsonObject::with_capacity(512);
        match self {
            Self::Inactive => members.flag("active", false),
            Self::Active(claims) => {
                members.flag("active", true).text("token_type", "Bearer");
                for (name, value) in claims.iter().filter(|(name, _)| !matches!(name.as_str(), "active" | "token_type")) {
                    members.value(name, value);
                }
                &mut members
            }
        };
        members.end()
    }
}

impl Serialize for IntrospectionResponse {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_json()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// The `typ` of a signed introspection response (RFC 9701 section 5).
pub const INTROSPECTION_JWT_TYPE: &str = "token-introspection+jwt";

/// The claims of a signed introspection response (RFC 9701 section 5). What is said of the
/// token is a member of its own, and there is neither `sub` nor `exp` beside it: nobody is
/// to take the response for the token.
#[derive(Debug, Serialize)]
pub struct SignedIntrospectionClaims<'a> {
    /// The mount that was asked.
    pub iss: &'a str,
    /// The client that asked.
    pub aud: &'a str,
    /// Seconds since the epoch.
    pub iat: i64,
    /// The answer.
    pub token_introspection: &'a IntrospectionResponse,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inactive_token_is_active_false_and_nothing_else() {
        assert_eq!(serde_json::to_string(&IntrospectionResponse::Inactive).unwrap(), r#"{"active":false}"#);
    }

    #[test]
    fn no_claim_can_say_what_only_the_server_says() {
        let claims = serde_json::json!({ "active": "no", "token_type": "N_A", "sub": "a" });
        let answer = IntrospectionResponse::Active(claims.as_object().unwrap().clone());
        assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"active":true,"token_type":"Bearer","sub":"a"}"#);
    }

    #[test]
    fn an_empty_token_is_a_missing_one() {
        for body in ["", "token=", "token_type_hint=access_token"] {
            assert!(PresentedToken::parse(&Parameters::from_form(body.as_bytes()).unwrap()).is_err(), "{body}");
        }
    }
}
