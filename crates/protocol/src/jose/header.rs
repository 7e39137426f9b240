//! The JOSE header of a signed JWT (RFC 7515 section 4).

use serde_json::Value;

use super::json::strict_object;
use super::{Algorithm, JwsError};
use crate::Check;

/// The members that matter. `jku`, `jwk`, `x5u`, `x5c` and everything else are never used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The algorithm the token claims; only compared with the key's.
    pub algorithm: Algorithm,
    /// The key id, if any.
    pub key_id: Option<String>,
    /// The media type, if any.
    pub typ: Option<String>,
    #[cfg(weakened)]
    pub(super) has_any_algorithm: bool,
}

impl Header {
    /// Parses the decoded header.
    ///
    /// # Errors
    /// [`JwsError`] for malformed JSON, an algorithm that is not one of
    /// [`Algorithm::ALL`], and for `crit` or `b64` in any form.
    pub fn parse(bytes: &[u8]) -> Result<Self, JwsError> {
        let mut members = strict_object(bytes)?;
        if Check::CriticalExtension.is_on() && (members.contains_key("crit") || members.contains_key("b64")) {
            return Err(JwsError::CriticalExtension);
        }
        let algorithm = match members.get("alg") {
            Some(Value::String(name)) => Algorithm::from_name(name),
            _ => None,
        };
        #[cfg(weakened)]
        let (has_any_algorithm, algorithm) = match algorithm {
            None if !Check::Algorithm.is_on() => (true, Some(Algorithm::EdDSA)),
            known => (false, known),
        };
        Ok(Self {
            algorithm: algorithm.ok_or(JwsError::AlgorithmNotAllowed)?,
            key_id: optional_string(members.remove("kid"))?,
            typ: optional_string(members.remove("typ"))?,
            #[cfg(weakened)]
            has_any_algorithm,
        })
    }

    /// Whether `typ` is the media type `application/{short}`, with or without the
    /// prefix and in any case (RFC 7515 section 4.1.9).
    pub fn has_type(&self, short: &str) -> bool {
        const PREFIX: &str = "application/";
        let Some(typ) = self.typ.as_deref() else { return false };
        let rest = match typ.split_at_checked(PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
            Some(_) | None => typ,
        };
        rest.eq_ignore_ascii_case(short)
    }
}

fn optional_string(member: Option<Value>) -> Result<Option<String>, JwsError> {
    match member {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        #[cfg(weakened)]
        Some(other) if !Check::HeaderMember.is_on() => Ok(other.get(0).and_then(Value::as_str).map(str::to_owned)),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Err(JwsError::Json),
    }
}
