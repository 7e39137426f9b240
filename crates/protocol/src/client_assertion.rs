//! Client assertions (RFC 7521 section 4.2, RFC 7523 sections 2.2 and 3):
//! `private_key_jwt`. The clock and the used ids are the caller's.

use serde_json::Value;

use crate::jose::json::strict_object;
use crate::jose::{AudienceClaim, Claims, ClaimsError, Header, JwsError, UnverifiedJws, VerificationKey, base64url};
use crate::{Secret, Timestamp};

/// How far ahead `exp` may lie.
pub const MAX_ASSERTION_LIFETIME_SECONDS: i64 = 3_600;
/// How far the clocks of a client and ours may differ.
const LEEWAY_SECONDS: i64 = 30;
/// Longest `jti`, in bytes.
const MAX_ID_BYTES: usize = 512;
/// The media type that draft-ietf-oauth-rfc7523bis gives to client assertions.
const ASSERTION_TYPE: &str = "client-authentication+jwt";
/// The type of a JWT that has no more specific one (RFC 7519 section 5.1).
const GENERIC_TYPE: &str = "JWT";

/// A client assertion as it was presented.
#[derive(Debug)]
pub struct ClientAssertion {
    jwt: Secret<String>,
    client_id: Option<String>,
}

/// Why an assertion does not authenticate a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// `aud` is not the issuer as a string (RFC 7523bis section 4: an array, or another
    /// of our URLs, would let another authorization server use it here).
    #[error("aud is not the issuer whose endpoint it was sent to, as a string")]
    Audience,
    /// A claim is missing or of the wrong type.
    #[error("{0}")]
    Claims(#[from] ClaimsError),
    /// `iss`, `sub` and the parameter `client_id` do not agree.
    #[error("iss, sub and client_id are not the same client")]
    ClientMismatch,
    /// Signed with an HMAC: the secret would have to be stored readable.
    #[error("client_secret_jwt is not supported: sign the assertion with a private key")]
    ClientSecretJwt,
    /// `exp` is over.
    #[error("the assertion has expired")]
    Expired,
    /// `jti` is longer than it may be.
    #[error("jti is longer than {MAX_ID_BYTES} bytes")]
    IdTooLong,
    /// `exp` is more than [`MAX_ASSERTION_LIFETIME_SECONDS`] ahead.
    #[error("the assertion is valid for longer than {MAX_ASSERTION_LIFETIME_SECONDS} seconds")]
    LivesTooLong,
    /// No signed JWT.
    #[error("{0}")]
    Malformed(#[from] JwsError),
    /// `nbf` or `iat` lies in the future.
    #[error("the assertion is not valid yet, or was issued in the future")]
    NotYetValid,
    /// `typ` is that of something else.
    #[error("typ is not that of a client assertion")]
    Type,
}

impl ClientAssertion {
    /// The JWT, and the parameter `client_id` if it was sent.
    pub fn new(jwt: &str, client_id: Option<&str>) -> Self {
        Self { jwt: Secret::new(jwt.to_owned()), client_id: client_id.map(str::to_owned) }
    }

    /// Reads the JWT, and checks whatever needs neither key nor clock.
    ///
    /// # Errors
    /// [`AssertionError`].
    pub fn parse(&self) -> Result<UnverifiedAssertion<'_>, AssertionError> {
        let jwt = self.jwt.expose();
        let jws = UnverifiedJws::parse(jwt).map_err(|error| {
            if error == JwsError::AlgorithmNotAllowed && is_signed_with_hmac(jwt) {
                AssertionError::ClientSecretJwt
            } else {
                AssertionError::Malformed(error)
            }
        })?;
        let header = jws.header();
        if header.typ.is_some() && !header.has_type(GENERIC_TYPE) && !header.has_type(ASSERTION_TYPE) {
            return Err(AssertionError::Type);
        }
        let claims = Claims::parse(&jws.unverified_payload().ok_or(JwsError::Base64)?)?;
        let subject = claims.subject.as_deref().ok_or(ClaimsError::Claim("sub"))?;
        // RFC 7523 section 3, RFC 7521 section 4.2.
        if subject != claims.issuer || self.client_id.as_ref().is_some_and(|id| id != subject) {
            return Err(AssertionError::ClientMismatch);
        }
        Ok(UnverifiedAssertion { jws, claims })
    }
}

fn is_signed_with_hmac(jwt: &str) -> bool {
    let header = jwt.split('.').next().and_then(base64url::decode).and_then(|bytes| strict_object(&bytes).ok());
    let alg = header.as_ref().and_then(|header| header.get("alg")).and_then(Value::as_str);
    alg.is_some_and(|alg| matches!(alg, "HS256" | "HS384" | "HS512"))
}

/// A well-formed assertion. Whom it names decides only whose keys are tried.
#[derive(Debug)]
pub struct UnverifiedAssertion<'a> {
    jws: UnverifiedJws<'a>,
    claims: Claims,
}

impl UnverifiedAssertion<'_> {
    /// `iss` and `sub`; any text.
    pub fn client_id(&self) -> &str {
        &self.claims.issuer
    }

    /// The header.
    pub const fn header(&self) -> &Header {
        self.jws.header()
    }

    /// The claims, if `key` made the signature.
    pub fn verify(&self, key: &VerificationKey) -> Option<VerifiedAssertion> {
        self.jws.verify(key).is_ok().then(|| VerifiedAssertion(self.claims.clone()))
    }
}

/// An assertion that the holder of the key made. It may still be for somebody else,
/// or for another time.
#[derive(Debug)]
pub struct VerifiedAssertion(Claims);

/// An assertion that is accepted if its id was not used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptableAssertion {
    /// `jti`: 1 to 512 bytes of any kind.
    pub id: String,
    /// From this instant on the assertion would be refused anyway.
    pub useless_at: Timestamp,
}

impl VerifiedAssertion {
    /// What it says.
    pub const fn claims(&self) -> &Claims {
        &self.0
    }

    /// Checks the claims for an endpoint whose accepted audiences are `audiences`.
    ///
    /// # Errors
    /// [`AssertionError`].
    pub fn check(&self, audiences: &[&str], now: Timestamp) -> Result<AcceptableAssertion, AssertionError> {
        let Self(claims) = self;
        match &claims.audience {
            AudienceClaim::One(audience) if audiences.contains(&audience.as_str()) => {}
            AudienceClaim::One(_) | AudienceClaim::Several(_) => return Err(AssertionError::Audience),
        }
        let useless_at = claims.expires_at.plus_seconds(LEEWAY_SECONDS);
        if now >= useless_at {
            return Err(AssertionError::Expired);
        }
        let ahead = now.plus_seconds(LEEWAY_SECONDS);
        if claims.expires_at > ahead.plus_seconds(MAX_ASSERTION_LIFETIME_SECONDS) {
            return Err(AssertionError::LivesTooLong);
        }
        let is_ahead = |time: Option<Timestamp>| time.is_some_and(|time| time > ahead);
        if is_ahead(claims.not_before) || is_ahead(claims.issued_at) {
            return Err(AssertionError::NotYetValid);
        }
        match &claims.token_id {
            Some(id) if id.len() > MAX_ID_BYTES => Err(AssertionError::IdTooLong),
            Some(id) if !id.is_empty() => Ok(AcceptableAssertion { id: id.clone(), useless_at }),
            _ => Err(ClaimsError::Claim("jti").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::{Algorithm, SigningKey};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const ISSUER: &str = "https://as.test/";

    fn check(change: impl FnOnce(&mut Value)) -> Result<AcceptableAssertion, AssertionError> {
        let now = NOW.as_seconds();
        let mut claims = json!({ "iss": "client-p", "sub": "client-p", "aud": ISSUER, "exp": now + 60, "jti": "1" });
        change(&mut claims);
        let claims = Claims::parse(claims.to_string().as_bytes())?;
        VerifiedAssertion(claims).check(&[ISSUER], NOW)
    }

    #[test]
    fn exp_is_at_most_an_hour_ahead_and_half_a_minute_over() {
        let now = NOW.as_seconds();
        for (exp, expected) in [
            (now - 29, None),
            (now - 30, Some(AssertionError::Expired)),
            (now + 3_630, None),
            (now + 3_631, Some(AssertionError::LivesTooLong)),
            (i64::MAX, Some(AssertionError::LivesTooLong)),
        ] {
            assert_eq!(check(|claims| claims["exp"] = json!(exp)).err(), expected, "{exp}");
        }
        let accepted = check(|_| {}).unwrap();
        assert_eq!(accepted.useless_at, Timestamp::from_seconds(now + 90));
    }

    #[test]
    fn iat_and_nbf_are_at_most_half_a_minute_ahead() {
        let now = NOW.as_seconds();
        for name in ["iat", "nbf"] {
            assert!(check(|claims| claims[name] = json!(now + 30)).is_ok());
            assert_eq!(check(|claims| claims[name] = json!(now + 31)).err(), Some(AssertionError::NotYetValid));
        }
    }

    #[test]
    fn an_assertion_has_an_id_of_at_most_512_bytes() {
        assert!(check(|claims| claims["jti"] = json!("x".repeat(512))).is_ok());
        assert_eq!(check(|claims| claims["jti"] = json!("x".repeat(513))).err(), Some(AssertionError::IdTooLong));
        for missing in [json!(""), json!(7), Value::Null] {
            let error = check(|claims| claims["jti"] = missing).unwrap_err();
            assert_eq!(error, AssertionError::Claims(ClaimsError::Claim("jti")));
        }
    }

    #[test]
    fn an_assertion_names_one_client() {
        let key = SigningKey::from_pkcs8(Algorithm::EdDSA, &SigningKey::generate(Algorithm::EdDSA).unwrap()).unwrap();
        let parse = |typ: &str, claims: &Value, client_id: Option<&str>| {
            let jwt = crate::jose::sign_jwt(&key, "k", typ, claims).unwrap();
            ClientAssertion::new(&jwt, client_id).parse().map(|assertion| assertion.client_id().to_owned())
        };
        let claims = json!({ "iss": "client-p", "sub": "client-p", "aud": ISSUER, "exp": 1 });
        for typ in ["JWT", "jwt", "client-authentication+jwt", "application/client-authentication+jwt"] {
            assert_eq!(parse(typ, &claims, Some("client-p")).unwrap(), "client-p");
        }
        for typ in ["at+jwt", "dpop+jwt", "logout+jwt", ""] {
            assert_eq!(parse(typ, &claims, None).unwrap_err(), AssertionError::Type, "{typ}");
        }
        assert_eq!(parse("JWT", &claims, Some("client-b")).unwrap_err(), AssertionError::ClientMismatch);
        let mut others = claims.clone();
        others["iss"] = json!("client-b");
        assert_eq!(parse("JWT", &others, None).unwrap_err(), AssertionError::ClientMismatch);
        others.as_object_mut().unwrap().remove("sub");
        assert_eq!(parse("JWT", &others, None).unwrap_err(), AssertionError::Claims(ClaimsError::Claim("sub")));
    }
}
