//! Signing and verifying what a feed sends.

use serde_json::{Map, Value};

use crate::jose::json::strict_object;
use crate::jose::{Algorithm, JwkSet, JwsError, SigningInput, SigningKey, SigningKeyError, UnverifiedJws};

/// The keys that a feed is signed with, as published at `.../v1/status/keys`.
pub type FeedKeys = JwkSet;

/// Why a text is not of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// Another algorithm than Ed25519.
    #[error("the algorithm is not EdDSA")]
    Algorithm,
    /// The signature, or the form of the JWT.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// A claim is missing or of the wrong type.
    #[error("the claims are not those of a status feed")]
    Malformed,
    /// Another `typ`: a token of another use.
    #[error("the type is not the one of this document")]
    Type,
    /// Signed by a key that the feed does not have.
    #[error("the key is not one of the feed")]
    UnknownKey,
}

/// Signs `claims` under the header `typ`.
pub(super) fn sign(key: &SigningKey, key_id: &str, typ: &str, claims: Map<String, Value>) -> Result<String, SigningKeyError> {
    let input = SigningInput::of_json(key.algorithm(), key_id, typ, &Value::Object(claims).to_string());
    let signature = key.sign(input.as_str().as_bytes())?;
    Ok(input.with_signature(&signature))
}

/// The claims of a document of the type `typ` that a key of the feed has signed.
pub(super) fn open(text: &str, keys: &FeedKeys, typ: &str, max_bytes: usize) -> Result<Map<String, Value>, FeedError> {
    let jws = UnverifiedJws::parse_up_to(text, max_bytes)?;
    if !jws.header().has_type(typ) {
        return Err(FeedError::Type);
    }
    if jws.header().algorithm != Algorithm::EdDSA {
        return Err(FeedError::Algorithm);
    }
    let key_id = jws.header().key_id.as_deref().ok_or(FeedError::UnknownKey)?;
    let key = keys.find(Some(key_id)).ok_or(FeedError::UnknownKey)?;
    strict_object(&jws.verify(key)?).map_err(|_| FeedError::Malformed)
}
