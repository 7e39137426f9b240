//! What a verdict says of a key: pure, with `now` passed in.

use countersign_protocol::jose::Claims;
use countersign_protocol::jose::json::strict_object;
use countersign_protocol::{Audience, ErrorCode, Issuer, Permission, Timestamp};
use serde_json::{Map, Value};

use super::feed::Footing;
use crate::Verified;

/// A refusal without a key (there is none) is remembered this long, in seconds.
const UNKNOWN_SECONDS: i64 = 5;
/// How long to wait when a limit is exhausted and the server does not say.
const DEFAULT_RETRY_SECONDS: u64 = 1;

/// A verdict as it was told.
pub(super) struct Told {
    pub(super) outcome: Outcome,
    /// For how long it may be remembered.
    pub(super) max_age_seconds: i64,
    /// What it rests on, where that is told.
    pub(super) footing: Option<Footing>,
    /// Another address might get another verdict.
    pub(super) is_for_address: bool,
}

/// What came of the question.
#[derive(Clone)]
pub(super) enum Outcome {
    Valid(Verified),
    Refused(ErrorCode),
    /// A limit or its credits are used up: worth another try after so many seconds.
    Exhausted(u64),
}

/// An answer is no verdict: the key was not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is no verdict on a key")]
pub(super) struct NoVerdict;

/// For what a key is asked about.
pub(super) struct Asked<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) audience: &'a Audience,
    /// Of the feed, before the question.
    pub(super) generation: i64,
    /// When the answer is to be asked for anew at the latest.
    pub(super) ask_again_at: Timestamp,
}

impl Told {
    pub(super) fn read(body: &[u8], asked: &Asked<'_>) -> Result<Self, NoVerdict> {
        let members = strict_object(body).map_err(|_| NoVerdict)?;
        let code = members.get("code").and_then(Value::as_str).ok_or(NoVerdict)?;
        let is_valid = members.get("valid").and_then(Value::as_bool).ok_or(NoVerdict)?;
        if is_valid != (code == "VALID") {
            return Err(NoVerdict);
        }
        let outcome = match code {
            "VALID" => Outcome::Valid(identity(&members, asked)?),
            "RATE_LIMITED" | "USAGE_EXCEEDED" => {
                let seconds = members.get("retry_after_seconds").and_then(Value::as_u64);
                Outcome::Exhausted(seconds.unwrap_or(DEFAULT_RETRY_SECONDS).max(1))
            }
            "NOT_FOUND" | "REVOKED" | "DISABLED" | "EXPIRED" | "FORBIDDEN" | "INSUFFICIENT_PERMISSIONS" => {
                tracing::debug!(code, key_id = text(&members, "key_id"), "the server refuses an API key");
                Outcome::Refused(ErrorCode::KeyNotAccepted)
            }
            _ => return Err(NoVerdict),
        };
        let max_age = members.get("max_age_seconds").and_then(Value::as_i64);
        Ok(Self {
            max_age_seconds: match outcome {
                Outcome::Valid(_) => max_age.unwrap_or_default(),
                Outcome::Refused(_) => max_age.unwrap_or(UNKNOWN_SECONDS).min(UNKNOWN_SECONDS),
                Outcome::Exhausted(_) => 0,
            },
            outcome,
            footing: footing(&members, asked.generation),
            is_for_address: members.get("is_for_address").and_then(Value::as_bool).unwrap_or(true),
        })
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str)
}

fn footing(members: &Map<String, Value>, generation: i64) -> Option<Footing> {
    Some(Footing {
        key_id: text(members, "key_id")?.into(),
        client_id: text(members, "client_id")?.into(),
        position: members.get("position").and_then(Value::as_i64)?,
        generation,
    })
}

/// The key as if it were a token of its client.
fn identity(members: &Map<String, Value>, asked: &Asked<'_>) -> Result<Verified, NoVerdict> {
    // It was asked for this audience; an answer about another one is none.
    if text(members, "audience") != Some(asked.audience.as_str()) {
        return Err(NoVerdict);
    }
    let (key_id, client_id) = (text(members, "key_id").ok_or(NoVerdict)?, text(members, "client_id").ok_or(NoVerdict)?);
    let mut all = Map::new();
    for (name, value) in [
        ("iss", asked.issuer.as_str()),
        ("aud", asked.audience.as_str()),
        ("sub", client_id),
        ("client_id", client_id),
        ("cred", key_id),
    ] {
        all.insert(name.to_owned(), value.into());
    }
    for name in ["secret_id", "external_id", "metadata", "roles", "permissions", "name"] {
        if let Some(value) = members.get(name).filter(|value| !value.is_null()) {
            all.insert(name.to_owned(), value.clone());
        }
    }
    all.insert("exp".to_owned(), asked.ask_again_at.as_seconds().into());
    let permissions = permissions(members)?;
    let mut claims = Claims::from_members(all).map_err(|_| NoVerdict)?;
    claims.all.remove("exp");
    claims.expires_at = asked.ask_again_at;
    Ok(Verified::of_key(claims, permissions))
}

fn permissions(members: &Map<String, Value>) -> Result<Vec<Permission>, NoVerdict> {
    let listed = members.get("permissions").and_then(Value::as_array).ok_or(NoVerdict)?;
    let parse = |name: &Value| Permission::parse(name.as_str().ok_or(NoVerdict)?).map_err(|_| NoVerdict);
    listed.iter().map(parse).collect()
}
