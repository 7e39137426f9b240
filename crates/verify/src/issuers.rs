//! The issuers whose tokens a verifier takes, each with its rules and its keys.

use std::sync::Arc;

use countersign_protocol::ErrorCode;
use countersign_protocol::jose::UnverifiedJws;
use countersign_protocol::jose::json::{JsonError, strict_object};
use serde_json::Value;

use crate::keys::KeyCache;
use crate::policy::Policy;
#[cfg(feature = "status")]
use crate::status::StatusWatch;

/// An issuer. Its keys are looked up here and nowhere else, so that a key of one
/// issuer is never tried on a token of another.
pub(crate) struct TrustedKeys {
    pub(crate) policy: Policy,
    pub(crate) keys: Arc<KeyCache>,
    /// Follows what is revoked.
    #[cfg(feature = "status")]
    pub(crate) status: Option<StatusWatch>,
}

/// The issuers of one verifier, in the order in which they were named.
pub(crate) struct Issuers {
    first: TrustedKeys,
    others: Box<[TrustedKeys]>,
}

impl Issuers {
    pub(crate) const fn new(first: TrustedKeys, others: Box<[TrustedKeys]>) -> Self {
        Self { first, others }
    }

    pub(crate) const fn first(&self) -> &TrustedKeys {
        &self.first
    }

    /// The issuer, if there is only one: a token need not be looked into.
    pub(crate) const fn only(&self) -> Option<&TrustedKeys> {
        if self.others.is_empty() { Some(&self.first) } else { None }
    }

    pub(crate) fn get(&self, index: u16) -> Option<&TrustedKeys> {
        match index.checked_sub(1) {
            None => Some(&self.first),
            Some(index) => self.others.get(usize::from(index)),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TrustedKeys> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The issuer with this name, and its place.
    pub(crate) fn find(&self, name: &str) -> Option<(u16, &TrustedKeys)> {
        (0..).zip(self.iter()).find(|(_, issuer)| issuer.policy.issuer.as_str() == name)
    }
}

/// Reads `iss` of a token nobody has verified yet, only to choose among the
/// issuers: that the token is really of this one is checked with its keys.
pub(crate) fn named_issuer(jws: &UnverifiedJws<'_>) -> Result<String, ErrorCode> {
    let payload = jws.unverified_payload().ok_or(ErrorCode::TokenNotBase64Url)?;
    let mut claims = strict_object(&payload).map_err(|error| match error {
        JsonError::DuplicateMember => ErrorCode::DuplicateMember,
        JsonError::Malformed => ErrorCode::TokenNotJson,
    })?;
    match claims.remove("iss") {
        Some(Value::String(name)) => Ok(name),
        _ => Err(ErrorCode::ClaimMissing),
    }
}
