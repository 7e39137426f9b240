//! Signed JWTs in compact form (RFC 7515 section 7.1).

use serde::Serialize;

use super::json::JsonError;
use super::json_object::JsonObject;
use super::{Algorithm, Header, SigningKey, SigningKeyError, VerificationKey, base64url};
use crate::Check;

/// Longest accepted token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Why a text is not an acceptable signed JWT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// `alg` is missing, `none`, an HMAC, or unknown.
    #[error("the algorithm is not one that is accepted")]
    AlgorithmNotAllowed,
    /// `alg` is not the algorithm of the key.
    #[error("the algorithm is not the one of the key")]
    AlgorithmNotOfKey,
    /// A part is not strict base64url.
    #[error("a part is not strict base64url")]
    Base64,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    BadSignature,
    /// `crit` or `b64` is present.
    #[error("critical extensions are not supported")]
    CriticalExtension,
    /// A member occurs twice.
    #[error("a member occurs twice")]
    DuplicateMember,
    /// The header is not a JSON object of the right shape.
    #[error("the header is not a JSON object of the right shape")]
    Json,
    /// Not three parts.
    #[error("not a signed JWT in compact form")]
    NotCompact,
    /// Longer than [`MAX_TOKEN_BYTES`], or than another limit that was given.
    #[error("longer than {MAX_TOKEN_BYTES} bytes")]
    TooLarge,
}

impl From<JsonError> for JwsError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::DuplicateMember => Self::DuplicateMember,
            JsonError::Malformed => Self::Json,
        }
    }
}

/// A parsed token whose signature has not been checked. Only the header can be
/// read: it is needed to find the key.
#[derive(Debug)]
pub struct UnverifiedJws<'a> {
    header: Header,
    signing_input: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> UnverifiedJws<'a> {
    /// Splits and decodes `token`; checks everything that needs no key.
    ///
    /// # Errors
    /// [`JwsError`] for whatever is not a signed JWT in compact form.
    pub fn parse(token: &'a str) -> Result<Self, JwsError> {
        Self::parse_up_to(token, MAX_TOKEN_BYTES)
    }

    /// As [`UnverifiedJws::parse`], with a limit of `max_bytes`: for documents that are no
    /// access tokens.
    ///
    /// # Errors
    /// As [`UnverifiedJws::parse`].
    pub fn parse_up_to(token: &'a str, max_bytes: usize) -> Result<Self, JwsError> {
        if Check::Size.is_on() && token.len() > max_bytes {
            return Err(JwsError::TooLarge);
        }
        #[cfg(weakened)]
        let token = if Check::Compact.is_on() { token } else { crate::weakened::compact(token) };
        let (signing_input, signature) = token.rsplit_once('.').ok_or(JwsError::NotCompact)?;
        let (header, payload) = signing_input.split_once('.').ok_or(JwsError::NotCompact)?;
        if payload.contains('.') {
            return Err(JwsError::NotCompact);
        }
        let header = Header::parse(&decode(header)?)?;
        let signature = decode(signature)?;
        Ok(Self { header, signing_input, payload, signature })
    }

    /// The unverified header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Checks the signature and returns the payload, now trusted to come from the
    /// holder of `key`.
    ///
    /// # Errors
    /// [`JwsError::AlgorithmNotOfKey`], [`JwsError::BadSignature`] or [`JwsError::Base64`].
    pub fn verify(&self, key: &VerificationKey) -> Result<Vec<u8>, JwsError> {
        let is_of_key = self.header.algorithm == key.algorithm();
        #[cfg(weakened)]
        let is_of_key = is_of_key || self.header.has_any_algorithm;
        if Check::AlgorithmOfKey.is_on() && !is_of_key {
            return Err(JwsError::AlgorithmNotOfKey);
        }
        if Check::Signature.is_on() && !key.verifies(self.signing_input.as_bytes(), &self.signature) {
            return Err(JwsError::BadSignature);
        }
        decode(self.payload)
    }

    /// The payload without any check of the signature. For showing a token to
    /// the person who holds it, never for a decision.
    pub fn unverified_payload(&self) -> Option<Vec<u8>> {
        base64url::decode(self.payload)
    }
}

fn decode(part: &str) -> Result<Vec<u8>, JwsError> {
    let decoded = base64url::decode(part);
    #[cfg(weakened)]
    let decoded = decoded.or_else(|| if Check::Base64Url.is_on() { None } else { crate::weakened::decode(part) });
    decoded.ok_or(JwsError::Base64)
}

/// What a JWT's signature is made over: header and claims in base64url (RFC 7515
/// section 5.1).
#[derive(Clone, Debug)]
pub struct SigningInput(String);

impl SigningInput {
    /// The input for `claims`, a JSON object, under a header that has `alg`, `kid` and `typ`.
    pub fn of_json(algorithm: Algorithm, key_id: &str, typ: &str, claims: &str) -> Self {
        let mut header = JsonObject::with_capacity(128);
        header.text("alg", algorithm.as_str()).text("kid", key_id).text("typ", typ);
        // Room for the signature too: that of a 4096-bit RSA key.
        let mut input = String::with_capacity((claims.len() + 128) * 4 / 3 + 700);
        base64url::encode_to(header.end(), &mut input);
        input.push('.');
        base64url::encode_to(claims, &mut input);
        Self(input)
    }

    /// The input for `claims` under a header that has `alg`, `kid` and `typ`.
    ///
    /// # Errors
    /// [`SigningKeyError::Claims`].
    pub fn new(algorithm: Algorithm, key_id: &str, typ: &str, claims: &impl Serialize) -> Result<Self, SigningKeyError> {
        let claims = serde_json::to_string(claims).map_err(|_| SigningKeyError::Claims)?;
        Ok(Self::of_json(algorithm, key_id, typ, &claims))
    }

    /// What is signed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The token.
    pub fn with_signature(self, signature: &[u8]) -> String {
        let mut token = self.0;
        token.push('.');
        base64url::encode_to(signature, &mut token);
        token
    }
}

/// Signs `claims` as a JWT whose header has `alg`, `kid` and `typ`.
///
/// # Errors
/// [`SigningKeyError`] when the claims cannot be written or the signature fails.
pub fn sign_jwt(key: &SigningKey, key_id: &str, typ: &str, claims: &impl Serialize) -> Result<String, SigningKeyError> {
    let input = SigningInput::new(key.algorithm(), key_id, typ, claims)?;
    let signature = key.sign(input.as_str().as_bytes())?;
    Ok(input.with_signature(&signature))
}
