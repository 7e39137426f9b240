//! What makes a token good: pure, with `now` passed in.

use countersign_protocol::jose::{Algorithm, Claims, ClaimsError, Header, JwsError, UnverifiedJws, VerificationKey};
use countersign_protocol::{Audience, ErrorCode, Issuer, Timestamp};

use crate::Verified;

/// The media type of JWT access tokens (RFC 9068 section 2.1); the prefix
/// `application/` may be left out, and case does not matter.
const ACCESS_TOKEN_TYPE: &str = "at+jwt";
/// The media type of JWTs that say nothing about their use.
const GENERIC_TYPE: &str = "jwt";

/// The rules of one verifier.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) issuer: Issuer,
    pub(crate) audience: Audience,
    /// None: every algorithm of [`Algorithm::ALL`].
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    pub(crate) leeway_seconds: u8,
    pub(crate) accept_untyped: bool,
    pub(crate) accept_incomplete: bool,
}

impl Policy {
    /// Splits the token and checks everything that needs no key.
    pub(crate) fn parse<'a>(&self, token: &'a str) -> Result<UnverifiedJws<'a>, ErrorCode> {
        let jws = UnverifiedJws::parse(token).map_err(jws_code)?;
        let header = jws.header();
        if self.algorithms.as_ref().is_some_and(|allowed| !allowed.contains(&header.algorithm)) {
            return Err(ErrorCode::AlgorithmNotAllowed);
        }
        let is_accepted = is_access_token(header) || self.accept_untyped && is_untyped(header);
        if !is_accepted {
            return Err(ErrorCode::TypeNotAllowed);
        }
        Ok(jws)
    }

    /// Checks the signature and then the claims.
    pub(crate) fn judge(&self, jws: &UnverifiedJws<'_>, key: &VerificationKey, now: Timestamp) -> Result<Verified, ErrorCode> {
        let payload = jws.verify(key).map_err(jws_code)?;
        let claims = Claims::parse(&payload).map_err(claims_code)?;
        if claims.issuer != self.issuer.as_str() {
            tracing::debug!(expected = self.issuer.as_str(), found = claims.issuer, "the token is of another issuer");
            return Err(ErrorCode::IssuerMismatch);
        }
        if !claims.audience.names(self.audience.as_str()) {
            tracing::debug!(expected = self.audience.as_str(), found = ?claims.audience, "the token is for another audience");
            return Err(ErrorCode::AudienceMismatch);
        }
        self.check_times(&claims, now)?;
        if is_access_token(jws.header()) && !self.accept_incomplete {
            check_complete(&claims)?;
        }
        Verified::new(claims, jws.header().key_id.clone()).map_err(|_| ErrorCode::ClaimMissing)
    }

    /// RFC 7519 sections 4.1.4 to 4.1.6; with a leeway of 0 a token is expired in
    /// the very moment `exp` names.
    fn check_times(&self, claims: &Claims, now: Timestamp) -> Result<(), ErrorCode> {
        let leeway = i64::from(self.leeway_seconds) * 1000;
        if now.millis_since(claims.expires_at) >= leeway {
            return Err(ErrorCode::Expired);
        }
        let ahead = |time: Option<Timestamp>| time.is_some_and(|time| time.millis_since(now) > leeway);
        if ahead(claims.not_before) {
            return Err(ErrorCode::NotYetValid);
        }
        if ahead(claims.issued_at) {
            return Err(ErrorCode::IssuedInFuture);
        }
        Ok(())
    }
}

fn is_access_token(header: &Header) -> bool {
    header.has_type(ACCESS_TOKEN_TYPE)
}

fn is_untyped(header: &Header) -> bool {
    header.typ.is_none() || header.has_type(GENERIC_TYPE)
}

/// RFC 9068 section 2.2: `iss`, `aud` and `exp` are required of every token.
fn check_complete(claims: &Claims) -> Result<(), ErrorCode> {
    let named = |claim: &Option<String>| claim.as_ref().is_some_and(|text| !text.is_empty());
    if named(&claims.client_id) && named(&claims.subject) && named(&claims.token_id) && claims.issued_at.is_some() {
        return Ok(());
    }
    Err(ErrorCode::ClaimMissing)
}

const fn jws_code(error: JwsError) -> ErrorCode {
    match error {
        JwsError::AlgorithmNotAllowed => ErrorCode::AlgorithmNotAllowed,
        JwsError::AlgorithmNotOfKey => ErrorCode::AlgorithmNotOfKey,
        JwsError::Base64 => ErrorCode::TokenNotBase64Url,
        JwsError::BadSignature => ErrorCode::BadSignature,
        JwsError::CriticalExtension => ErrorCode::CriticalExtension,
        JwsError::DuplicateMember => ErrorCode::DuplicateMember,
        JwsError::Json => ErrorCode::TokenNotJson,
        JwsError::NotCompact => ErrorCode::TokenMalformed,
        JwsError::TooLarge => ErrorCode::TokenTooLarge,
    }
}

const fn claims_code(error: ClaimsError) -> ErrorCode {
    match error {
        ClaimsError::Claim(_) => ErrorCode::ClaimMissing,
        ClaimsError::DuplicateMember => ErrorCode::DuplicateMember,
        ClaimsError::Json => ErrorCode::TokenNotJson,
    }
}
