//! What makes a token good: pure, with `now` passed in.

use countersign_protocol::jose::{Algorithm, Claims, ClaimsError, Header, JwsError, UnverifiedJws, VerificationKey};
use countersign_protocol::{Audience, Check, ErrorCode, Issuer, Timestamp};

use crate::examiner::{Aspect, Examiner};
use crate::trusted_issuer::Allow;
use crate::{Method, Verified};

/// The media type of JWT access tokens (RFC 9068 section 2.1); the prefix
/// `application/` may be left out, and case does not matter.
const ACCESS_TOKEN_TYPE: &str = "at+jwt";
/// The media type of JWTs that say nothing about their use.
const GENERIC_TYPE: &str = "jwt";

/// The rules for the tokens of one issuer.
#[derive(Clone)]
pub(crate) struct Policy {
    pub(crate) issuer: Issuer,
    /// One of them is enough; there is at least one.
    pub(crate) audiences: Box<[Audience]>,
    /// None: every algorithm of [`Algorithm::ALL`].
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    pub(crate) leeway_seconds: u8,
    pub(crate) accept_untyped: bool,
    pub(crate) accept_incomplete: bool,
    pub(crate) allow: Option<Allow>,
    /// How its tokens are verified.
    pub(crate) method: Method,
}

/// Why a token is refused.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    /// For the log: the claims, once they are known to be the issuer's.
    pub(crate) claims: Option<Box<Claims>>,
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Self {
        Self { code, claims: None }
    }
}

/// Splits a token and checks everything that needs neither key nor issuer.
pub(crate) fn parse<'a>(token: &'a str, examiner: &mut impl Examiner) -> Result<UnverifiedJws<'a>, ErrorCode> {
    examiner.gate(Aspect::Format, UnverifiedJws::parse(token).map_err(jws_code))
}

impl Policy {
    /// Checks what the header says of the token.
    pub(crate) fn check_header(&self, header: &Header, examiner: &mut impl Examiner) -> Result<(), ErrorCode> {
        examiner.header(header);
        examiner.check(Aspect::Algorithm, self.check_algorithm(header))?;
        examiner.check(Aspect::Type, self.check_type(header))
    }

    fn check_algorithm(&self, header: &Header) -> Result<(), ErrorCode> {
        let is_allowed = self.algorithms.as_ref().is_none_or(|allowed| allowed.contains(&header.algorithm));
        if is_allowed { Ok(()) } else { Err(ErrorCode::AlgorithmNotAllowed) }
    }

    fn check_type(&self, header: &Header) -> Result<(), ErrorCode> {
        let is_accepted = is_access_token(header) || self.accept_untyped && is_untyped(header);
        if Check::Type.is_on() && !is_accepted { Err(ErrorCode::TypeNotAllowed) } else { Ok(()) }
    }

    /// Checks the signature and then the claims.
    pub(crate) fn judge(
        &self,
        jws: &UnverifiedJws<'_>,
        key: &VerificationKey,
        now: Timestamp,
        examiner: &mut impl Examiner,
    ) -> Result<Verified, Refused> {
        let payload = examiner.gate(Aspect::Signature, jws.verify(key).map_err(jws_code))?;
        let claims = examiner.gate(Aspect::Claims, Claims::parse(&payload).map_err(claims_code))?;
        examiner.signed(&claims);
        let is_asked_to_be_whole = is_access_token(jws.header()) && !self.accept_incomplete;
        let checked = self.check_claims(&claims, now, examiner).and_then(|()| {
            let whole = if is_asked_to_be_whole { check_complete(&claims) } else { Ok(()) };
            examiner.check(Aspect::Claims, whole)
        });
        match checked {
            Ok(()) => self.admit(claims, jws.header().key_id.clone(), examiner),
            Err(code) => Err(Refused { code, claims: Some(Box::new(claims)) }),
        }
    }

    /// The last checks of claims that passed [`check_claims`](Self::check_claims).
    pub(crate) fn admit(&self, claims: Claims, key_id: Option<String>, examiner: &mut impl Examiner) -> Result<Verified, Refused> {
        let allowed = if self.allow.as_ref().is_none_or(|allow| allow(&claims)) { Ok(()) } else { Err(ErrorCode::ClaimMismatch) };
        if let Err(code) = examiner.check(Aspect::Rule, allowed).and_then(|()| examiner.conclude()) {
            return Err(Refused { code, claims: Some(Box::new(claims)) });
        }
        let verified = Verified::new(claims, key_id, self.method).map_err(|_| ErrorCode::ClaimMissing);
        Ok(examiner.gate(Aspect::Claims, verified)?)
    }

    /// Issuer, audience, times, and that the token is no more than a bearer token.
    pub(crate) fn check_claims(&self, claims: &Claims, now: Timestamp, examiner: &mut impl Examiner) -> Result<(), ErrorCode> {
        examiner.check(Aspect::Issuer, self.check_issuer(claims))?;
        examiner.check(Aspect::Audience, self.check_audience(claims))?;
        examiner.check(Aspect::Time, self.check_times(claims, now))?;
        examiner.check(Aspect::Binding, check_binding(claims))
    }

    fn check_issuer(&self, claims: &Claims) -> Result<(), ErrorCode> {
        let is_other = Check::Issuer.is_on() && claims.issuer != self.issuer.as_str();
        if is_other { Err(ErrorCode::IssuerMismatch) } else { Ok(()) }
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), ErrorCode> {
        let is_named = self.audiences.iter().any(|audience| claims.audience.names(audience.as_str()));
        if Check::Audience.is_on() && !is_named { Err(ErrorCode::AudienceMismatch) } else { Ok(()) }
    }

    /// RFC 7519 sections 4.1.4 to 4.1.6; with a leeway of 0 a token is expired in
    /// the very moment `exp` names.
    fn check_times(&self, claims: &Claims, now: Timestamp) -> Result<(), ErrorCode> {
        let leeway = i64::from(self.leeway_seconds) * 1000;
        if Check::Expiry.is_on() && now.millis_since(claims.expires_at) >= leeway {
            return Err(ErrorCode::Expired);
        }
        let ahead = |time: Option<Timestamp>| time.is_some_and(|time| time.millis_since(now) > leeway);
        if Check::NotBefore.is_on() && ahead(claims.not_before) {
            return Err(ErrorCode::NotYetValid);
        }
        if Check::IssuedAt.is_on() && ahead(claims.issued_at) {
            return Err(ErrorCode::IssuedInFuture);
        }
        Ok(())
    }
}

/// RFC 7800 section 3.1: a request with a bound token has more to prove than that it
/// has the token, and nothing here looks at it.
fn check_binding(claims: &Claims) -> Result<(), ErrorCode> {
    let is_bound = Check::Possession.is_on() && claims.all.contains_key("cnf");
    if is_bound { Err(ErrorCode::PossessionNotProven) } else { Ok(()) }
}

fn is_access_token(header: &Header) -> bool {
    header.has_type(ACCESS_TOKEN_TYPE)
}

fn is_untyped(header: &Header) -> bool {
    header.typ.is_none() || header.has_type(GENERIC_TYPE)
}

/// RFC 9068 section 2.2: `iss`, `aud` and `exp` are required of every token.
fn check_complete(claims: &Claims) -> Result<(), ErrorCode> {
    if !Check::Complete.is_on() {
        return Ok(());
    }
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
