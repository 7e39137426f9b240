//! What an introspection response says of a token (RFC 7662 section 2.2): pure,
//! with `now` passed in.

use serde_json::{Map, Value};

use countersign_protocol::jose::Claims;
use countersign_protocol::jose::json::strict_object;
use countersign_protocol::{ErrorCode, Timestamp};

use crate::decision::Fault;
use crate::examiner::FirstFailure;
use crate::policy::Policy;
use crate::{Verified, Verifier};

/// Why a response is none: the token was not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Malformed {
    #[error("the introspection response is no JSON object without repeated members")]
    Json,
    #[error("`active` of the introspection response is not a boolean")]
    Active,
    #[error("a member of the introspection response has the wrong type")]
    Member,
}

/// Judges the token that `body` is about. An answer without `exp` holds until
/// `ask_again_at`.
pub(super) fn judge(policy: &Policy, body: &[u8], now: Timestamp, ask_again_at: Timestamp) -> Result<Verified, Fault> {
    let members = read(body).map_err(|malformed| {
        tracing::warn!(issuer = policy.issuer.as_str(), error = %malformed, "the issuer's answer cannot be used");
        Fault::NotJudged(ErrorCode::IntrospectionUnavailable)
    })?;
    let Some(members) = members else { return Err(ErrorCode::TokenInactive.into()) };
    check_type(&members)?;
    if !members.contains_key("aud") {
        return Err(ErrorCode::AudienceMismatch.into());
    }
    let claims = claims(policy, members, ask_again_at).map_err(|malformed| {
        tracing::warn!(issuer = policy.issuer.as_str(), error = %malformed, "the issuer's answer cannot be used");
        Fault::NotJudged(ErrorCode::IntrospectionUnavailable)
    })?;
    policy.check_claims(&claims, now, &mut FirstFailure)?;
    Ok(policy.admit(claims, None, &mut FirstFailure)?)
}

/// Judges the token that a JWT stands for; no JWT: it is not active. What `verifier` refuses
/// before it knows the claims to be the issuer's is no answer.
pub(super) async fn judge_jwt(verifier: &Verifier, body: &[u8]) -> Result<Verified, Fault> {
    if body.is_empty() {
        return Err(ErrorCode::TokenInactive.into());
    }
    let unusable = |code: ErrorCode| {
        tracing::warn!(issuer = verifier.issuer().as_str(), code = code.as_str(), "the issuer's answer cannot be used");
        Fault::NotJudged(ErrorCode::IntrospectionUnavailable)
    };
    let jwt = std::str::from_utf8(body).map_err(|_| unusable(ErrorCode::TokenMalformed))?;
    verifier.verdict(jwt).await.map_err(|fault| match &fault {
        Fault::Refused(refused) if refused.claims.is_none() => unusable(refused.code),
        #[cfg(feature = "api-keys")]
        Fault::Exhausted { .. } => fault,
        Fault::Refused(_) | Fault::NotJudged(_) => fault,
    })
}

/// The members of an answer about an active token; `None` when it is not active.
fn read(body: &[u8]) -> Result<Option<Map<String, Value>>, Malformed> {
    let members = strict_object(body).map_err(|_| Malformed::Json)?;
    match members.get("active") {
        Some(Value::Bool(true)) => Ok(Some(members)),
        Some(Value::Bool(false)) => Ok(None),
        _ => Err(Malformed::Active),
    }
}

/// An access token and nothing else: a refresh token is active too.
fn check_type(members: &Map<String, Value>) -> Result<(), ErrorCode> {
    match members.get("token_type").map(Value::as_str) {
        None => Ok(()),
        Some(Some(name)) if name.eq_ignore_ascii_case("bearer") => Ok(()),
        Some(Some(name)) if name.eq_ignore_ascii_case("dpop") => Err(ErrorCode::PossessionNotProven),
        Some(_) => Err(ErrorCode::TypeNotAllowed),
    }
}

/// `iss` and `exp` may be left out of an answer, and only there.
fn claims(policy: &Policy, mut members: Map<String, Value>, ask_again_at: Timestamp) -> Result<Claims, Malformed> {
    let absent: Vec<&str> = ["iss", "exp"].into_iter().filter(|name| !members.contains_key(*name)).collect();
    for name in &absent {
        let value = if *name == "iss" { policy.issuer.as_str().into() } else { ask_again_at.as_seconds().into() };
        members.insert((*name).to_owned(), value);
    }
    let mut claims = Claims::from_members(members).map_err(|_| Malformed::Member)?;
    for name in absent {
        claims.all.remove(name);
        if name == "exp" {
            claims.expires_at = ask_again_at;
        }
    }
    Ok(claims)
}
