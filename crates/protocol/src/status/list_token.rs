//! Status lists as signed JWTs (Token Status List section 5.1).

use serde::Serialize;
use serde_json::Value;

use super::{StatusList, StatusListError};
use crate::Timestamp;
use crate::jose::json::strict_object;

/// The `typ` of a status list token, and its media type after `application/`.
pub const STATUS_LIST_JWT_TYPE: &str = "statuslist+jwt";
/// How far ahead of our clock a list may have been issued.
const LEEWAY_SECONDS: i64 = 5;

/// The claims of a status list token, as they are written.
#[derive(Debug, Serialize)]
pub struct StatusListClaims<'a> {
    /// The URL of the list.
    pub sub: &'a str,
    /// Seconds since the epoch.
    pub iat: i64,
    /// Seconds since the epoch: not to be used after it.
    pub exp: i64,
    /// For how many seconds it may be kept before it is asked for again.
    pub ttl: i64,
    /// The list.
    pub status_list: StatusListClaim<'a>,
}

/// The claim `status_list`.
#[derive(Debug, Serialize)]
pub struct StatusListClaim<'a> {
    bits: u8,
    lst: String,
    aggregation_uri: &'a str,
}

impl<'a> StatusListClaim<'a> {
    fn new(list: &StatusList, aggregation_uri: &'a str) -> Self {
        Self { bits: list.bits(), lst: list.to_lst(), aggregation_uri }
    }
}

impl<'a> StatusListClaims<'a> {
    /// The claims of `list` at the URL `uri`, made now.
    pub fn new(list: &StatusList, uri: &'a str, aggregation_uri: &'a str, now: Timestamp, ttl: i64, lifetime: i64) -> Self {
        let iat = now.as_seconds();
        Self { sub: uri, iat, exp: iat.saturating_add(lifetime), ttl, status_list: StatusListClaim::new(list, aggregation_uri) }
    }
}

/// A status list token that holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusListToken {
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Option<Timestamp>,
    /// `ttl`.
    pub ttl_seconds: Option<i64>,
    /// The list.
    pub list: StatusList,
}

impl StatusListToken {
    /// Reads the payload of a token whose signature was verified, as the list at `uri`
    /// (section 8.3).
    ///
    /// # Errors
    /// [`StatusListError`].
    pub fn parse(payload: &[u8], uri: &str, now: Timestamp) -> Result<Self, StatusListError> {
        let claims = strict_object(payload).map_err(|_| StatusListError::Malformed)?;
        let seconds = |name| match claims.get(name) {
            None => Ok(None),
            Some(value) => value.as_i64().filter(|number| *number >= 0).map(Some).ok_or(StatusListError::Claim(name)),
        };
        if claims.get("sub").and_then(Value::as_str).ok_or(StatusListError::Claim("sub"))? != uri {
            return Err(StatusListError::OtherList);
        }
        let issued_at = Timestamp::from_seconds(seconds("iat")?.ok_or(StatusListError::Claim("iat"))?);
        let (expires_at, ttl_seconds) = (seconds("exp")?.map(Timestamp::from_seconds), seconds("ttl")?);
        check_times(issued_at, expires_at, now)?;
        check_ttl(ttl_seconds)?;
        let list = claims.get("status_list").ok_or(StatusListError::Claim("status_list"))?;
        Ok(Self { issued_at, expires_at, ttl_seconds, list: read_list(list)? })
    }
}

pub(super) fn check_times(issued_at: Timestamp, expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), StatusListError> {
    if issued_at > now.plus_seconds(LEEWAY_SECONDS) {
        return Err(StatusListError::IssuedInFuture);
    }
    if expires_at.is_some_and(|end| end <= now) {
        return Err(StatusListError::Expired);
    }
    Ok(())
}

/// Section 5.1: a positive number.
pub(super) fn check_ttl(ttl_seconds: Option<i64>) -> Result<(), StatusListError> {
    if ttl_seconds == Some(0) { Err(StatusListError::Claim("ttl")) } else { Ok(()) }
}

fn read_list(list: &Value) -> Result<StatusList, StatusListError> {
    let bits = list.get("bits").and_then(Value::as_u64).and_then(|bits| u8::try_from(bits).ok()).ok_or(StatusListError::Bits)?;
    let lst = list.get("lst").and_then(Value::as_str).ok_or(StatusListError::Claim("status_list"))?;
    StatusList::from_lst(bits, lst)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URI: &str = "https://a.test/status/3f";
    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn payload() -> Value {
        let mut list = StatusList::new(64);
        list.revoke(9);
        serde_json::to_value(StatusListClaims::new(&list, URI, "https://a.test/status", NOW, 60, 900)).unwrap()
    }

    fn parse(payload: &Value, now: Timestamp) -> Result<StatusListToken, StatusListError> {
        StatusListToken::parse(payload.to_string().as_bytes(), URI, now)
    }

    #[test]
    fn a_list_token_reads_back() {
        let token = parse(&payload(), NOW).unwrap();
        assert_eq!((token.ttl_seconds, token.expires_at), (Some(60), Some(NOW.plus_seconds(900))));
        assert_eq!(token.list.status(9), Some(super::super::TokenStatus::Invalid));
        assert_eq!(payload()["status_list"]["aggregation_uri"], "https://a.test/status");
    }

    #[test]
    fn another_url_and_other_times_are_refused() {
        assert!(parse(&payload(), NOW.plus_seconds(899)).is_ok());
        assert_eq!(parse(&payload(), NOW.plus_seconds(900)), Err(StatusListError::Expired));
        assert!(parse(&payload(), NOW.plus_seconds(-5)).is_ok());
        assert_eq!(parse(&payload(), NOW.plus_seconds(-6)), Err(StatusListError::IssuedInFuture));
        let parsed = StatusListToken::parse(payload().to_string().as_bytes(), "https://a.test/status/3g", NOW);
        assert_eq!(parsed, Err(StatusListError::OtherList));
    }

    #[test]
    fn claims_that_are_missing_or_of_another_type_are_named() {
        for (name, value, error) in [
            ("sub", json!(5), StatusListError::Claim("sub")),
            ("iat", json!("5"), StatusListError::Claim("iat")),
            ("exp", json!(-1), StatusListError::Claim("exp")),
            ("ttl", json!(1.5), StatusListError::Claim("ttl")),
            ("status_list", json!({ "bits": 3, "lst": "eNrbuRgAAhcBXQ" }), StatusListError::Bits),
            ("status_list", json!({ "bits": 1 }), StatusListError::Claim("status_list")),
            ("status_list", json!({ "bits": 1, "lst": "AA" }), StatusListError::Compression),
        ] {
            let mut bad = payload();
            bad[name] = value;
            assert_eq!(parse(&bad, NOW), Err(error), "{name}");
        }
        for name in ["sub", "iat", "status_list"] {
            let mut bad = payload();
            bad.as_object_mut().unwrap().remove(name);
            assert_eq!(parse(&bad, NOW), Err(StatusListError::Claim(name)));
        }
        assert_eq!(StatusListToken::parse(b"[]", URI, NOW), Err(StatusListError::Malformed));
    }
}
