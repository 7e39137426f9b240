//! Public JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037) and the
//! pre-parsed keys made from them.

use std::ops::RangeInclusive;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::ParsedPublicKey;
use serde::Serialize;
use serde_json::{Map, Value};

use super::ed25519_weakness::has_small_order;
use super::rsa_weakness::has_roca_fingerprint;
use super::{Algorithm, KeyType, base64url};

/// A public signature key as it stands in a JWK Set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jwk {
    kty: &'static str,
    #[serde(rename = "use")]
    key_use: &'static str,
    alg: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    kid: String,
    #[serde(flatten)]
    parameters: Parameters,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Parameters {
    Rsa { n: String, e: String },
    Ec { crv: &'static str, x: String, y: String },
    Okp { crv: &'static str, x: String },
}

/// Why a JWK cannot be used to verify signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// `alg` is unknown or does not fit the key type and curve.
    #[error("alg is unknown or does not fit kty and crv")]
    Algorithm,
    /// The key type or curve is not supported (`oct` never is).
    #[error("kty or crv is not supported")]
    KeyType,
    /// A member is missing or malformed.
    #[error("a member is missing or malformed")]
    Member,
    /// `use` or `key_ops` do not allow verification.
    #[error("use or key_ops do not allow verification")]
    NotForVerification,
    /// The object holds private key material.
    #[error("the JWK holds private key material")]
    PrivateMaterial,
    /// The point is not on its NIST curve, or an Ed25519 point of small order; the RSA key is
    /// too short or too long, even, or factorable.
    #[error("the key itself is unsound")]
    Unsound,
}

impl Jwk {
    pub(super) fn new(algorithm: Algorithm, kid: &str, parameters: Parameters) -> Self {
        let kty = match algorithm.key_type() {
            KeyType::Rsa => "RSA",
            KeyType::Ec(_) => "EC",
            KeyType::Okp => "OKP",
        };
        Self { kty, key_use: "sig", alg: algorithm.as_str(), kid: kid.to_owned(), parameters }
    }

    /// Reads one member of a JWK Set. A key without `alg` gets the algorithm its
    /// curve implies; an RSA key without one is an RS256 key.
    ///
    /// # Errors
    /// [`JwkError`] for a key that is not a sound public signature key.
    pub fn parse(members: &Map<String, Value>) -> Result<Self, JwkError> {
        if private_member(members).is_some() {
            return Err(JwkError::PrivateMaterial);
        }
        check_purpose(members)?;
        let kid = optional_string(members, "kid")?.unwrap_or("");
        let named = match optional_string(members, "alg")? {
            Some(name) => Some(Algorithm::from_name(name).ok_or(JwkError::Algorithm)?),
            None => None,
        };
        let (implied, parameters) = parse_parameters(members)?;
        let algorithm = named.unwrap_or(implied);
        if algorithm.key_type() != implied.key_type() {
            return Err(JwkError::Algorithm);
        }
        Ok(Self::new(algorithm, kid, parameters))
    }

    /// The key id; empty when the JWK has none.
    pub fn key_id(&self) -> &str {
        &self.kid
    }

    pub(super) const fn key_parameters(&self) -> &Parameters {
        &self.parameters
    }
}

/// The name of a private member, if there is one (RFC 7518 sections 6.2.2, 6.3.2).
pub(super) fn private_member(members: &Map<String, Value>) -> Option<&'static str> {
    ["d", "p", "q", "dp", "dq", "qi", "oth"].into_iter().find(|name| members.contains_key(*name))
}

fn optional_string<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, JwkError> {
    members.get(name).map(|value| value.as_str().ok_or(JwkError::Member)).transpose()
}

fn required_string(members: &Map<String, Value>, name: &str) -> Result<String, JwkError> {
    optional_string(members, name)?.map(str::to_owned).ok_or(JwkError::Member)
}

/// RFC 7517 sections 4.2 and 4.3.
fn check_purpose(members: &Map<String, Value>) -> Result<(), JwkError> {
    if optional_string(members, "use")?.is_some_and(|key_use| key_use != "sig") {
        return Err(JwkError::NotForVerification);
    }
    match members.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => Ok(()),
        Some(_) => Err(JwkError::NotForVerification),
    }
}

fn parse_parameters(members: &Map<String, Value>) -> Result<(Algorithm, Parameters), JwkError> {
    match optional_string(members, "kty")?.ok_or(JwkError::Member)? {
        "RSA" => Ok((Algorithm::RS256, Parameters::Rsa { n: required_string(members, "n")?, e: required_string(members, "e")? })),
        "EC" => {
            let (algorithm, crv) = match optional_string(members, "crv")? {
                Some("P-256") => (Algorithm::ES256, "P-256"),
                Some("P-384") => (Algorithm::ES384, "P-384"),
                Some("P-521") => (Algorithm::ES512, "P-521"),
                _ => return Err(JwkError::KeyType),
            };
            Ok((algorithm, Parameters::Ec { crv, x: required_string(members, "x")?, y: required_string(members, "y")? }))
        }
        "OKP" if optional_string(members, "crv")? == Some("Ed25519") => {
            Ok((Algorithm::EdDSA, Parameters::Okp { crv: "Ed25519", x: required_string(members, "x")? }))
        }
        _ => Err(JwkError::KeyType),
    }
}

/// A public key parsed once, with the one algorithm it verifies.
#[derive(Clone, Debug)]
pub struct VerificationKey {
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

impl VerificationKey {
    /// Parses and checks the key material.
    ///
    /// # Errors
    /// [`JwkError::Member`] for broken encodings, [`JwkError::Unsound`] for weak or invalid keys.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, JwkError> {
        let algorithm = Algorithm::from_name(jwk.alg).ok_or(JwkError::Algorithm)?;
        let key = match &jwk.parameters {
            Parameters::Rsa { n, e } => parse_rsa(algorithm, n, e)?,
            Parameters::Ec { crv, x, y } => parse_point(algorithm, crv, x, y)?,
            Parameters::Okp { x, .. } => parse_edwards_point(algorithm, &decode(x)?)?,
        };
        Ok(Self { algorithm, key })
    }

    /// The one algorithm this key verifies.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature` over `message` verifies; ECDSA signatures in the fixed
    /// width of RFC 7518 section 3.4. Tokens go through [`super::UnverifiedJws::verify`].
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

fn decode(text: &str) -> Result<Vec<u8>, JwkError> {
    base64url::decode(text).ok_or(JwkError::Member)
}

/// RFC 7518 section 3.3 sets the lower bound, the verification of aws-lc-rs the upper one.
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

fn parse_rsa(algorithm: Algorithm, n: &str, e: &str) -> Result<ParsedPublicKey, JwkError> {
    let parameters = algorithm.rsa_verification().ok_or(JwkError::Algorithm)?;
    let (n, e) = (decode(n)?, decode(e)?);
    // aws-lc-rs would look at the size only when it verifies.
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err(JwkError::Unsound);
    }
    // An exponent of 1 makes every message its own signature.
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    if !odd(&n) || !odd(&e) || e.iter().rev().skip(1).all(|byte| *byte == 0) && e.last() == Some(&1) || has_roca_fingerprint(&n) {
        return Err(JwkError::Unsound);
    }
    PublicKeyComponents { n, e }.to_parsed_public_key(parameters).map_err(|_| JwkError::Unsound)
}

fn parse_point(algorithm: Algorithm, crv: &str, x: &str, y: &str) -> Result<ParsedPublicKey, JwkError> {
    let width = match crv {
        "P-256" => 32,
        "P-384" => 48,
        _ => 66,
    };
    let (x, y) = (decode(x)?, decode(y)?);
    // RFC 7518 section 6.2.1.2: the full width of a coordinate.
    if x.len() != width || y.len() != width {
        return Err(JwkError::Member);
    }
    parse_curve_key(algorithm, &[&[4][..], &x, &y].concat())
}

fn parse_edwards_point(algorithm: Algorithm, x: &[u8]) -> Result<ParsedPublicKey, JwkError> {
    if has_small_order(x) {
        return Err(JwkError::Unsound);
    }
    parse_curve_key(algorithm, x)
}

fn parse_curve_key(algorithm: Algorithm, bytes: &[u8]) -> Result<ParsedPublicKey, JwkError> {
    let verification = algorithm.curve_verification().ok_or(JwkError::Algorithm)?;
    ParsedPublicKey::new(verification, bytes).map_err(|_| JwkError::Unsound)
}
