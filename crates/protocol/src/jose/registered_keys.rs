//! Public keys that somebody registers with us.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::json::strict_object;
use super::jwk::private_member;
use super::{Header, Jwk, JwkError, VerificationKey};

/// Most keys of one registered set.
pub const MAX_REGISTERED_KEYS: usize = 10;
/// Largest accepted document, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// Longest key id, in bytes.
const MAX_KEY_ID_BYTES: usize = 255;

/// A set of public keys as its owner registers it. Unlike in a set that is fetched,
/// one bad key refuses them all: whoever registers it is there to hear of it.
#[derive(Clone, Debug)]
pub struct RegisteredKeys {
    document: String,
    keys: Vec<(String, VerificationKey)>,
}

/// Why a set is not registered. Nothing here quotes the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisteredKeysError {
    /// Not `{"keys": [...]}` with objects, or a member occurs twice.
    #[error("not a JWK Set: {{\"keys\": [...]}}, no member twice, at most {MAX_BYTES} bytes")]
    Malformed,
    /// No key, or more than [`MAX_REGISTERED_KEYS`].
    #[error("a set has 1 to {MAX_REGISTERED_KEYS} keys")]
    Count,
    /// A key that cannot verify a signature.
    #[error("key {position}: {reason}")]
    Key {
        /// Which, from 1.
        position: usize,
        /// Why.
        reason: JwkError,
    },
    /// A key with the secret half: private members, or a symmetric key.
    #[error(
        "key {position} is not a public key: `{member}` is private or symmetric key material, which must never be sent to anybody"
    )]
    Secret {
        /// Which, from 1.
        position: usize,
        /// The member that says so.
        member: &'static str,
    },
    /// Two keys share a `kid`, or several keys and one has none: a token must name one key.
    #[error("key {position}: each key of a set needs a kid of its own, at most {MAX_KEY_ID_BYTES} bytes long")]
    KeyId {
        /// Which, from 1.
        position: usize,
    },
}

impl RegisteredKeys {
    /// Parses a set. A key without `alg` gets the one its curve implies; RSA: RS256.
    ///
    /// # Errors
    /// [`RegisteredKeysError`].
    pub fn parse(document: &[u8]) -> Result<Self, RegisteredKeysError> {
        if document.len() > MAX_BYTES {
            return Err(RegisteredKeysError::Malformed);
        }
        let members = strict_object(document).map_err(|_| RegisteredKeysError::Malformed)?;
        let Some(Value::Array(entries)) = members.get("keys") else { return Err(RegisteredKeysError::Malformed) };
        if entries.is_empty() || entries.len() > MAX_REGISTERED_KEYS {
            return Err(RegisteredKeysError::Count);
        }
        let (mut jwks, mut keys, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for (position, entry) in (1..).zip(entries) {
            let (jwk, key) = public_key(entry, position)?;
            let id = jwk.key_id().to_owned();
            let is_named = !id.is_empty() || entries.len() == 1;
            if !is_named || id.len() > MAX_KEY_ID_BYTES || !seen.insert(id.clone()) {
                return Err(RegisteredKeysError::KeyId { position });
            }
            keys.push((id, key));
            jwks.push(jwk);
        }
        Ok(Self { document: json!({ "keys": jwks }).to_string(), keys })
    }

    /// The set as JSON, with the members that count and no others.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// Every key with its id, which is empty where it has none.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &VerificationKey)> {
        self.keys.iter().map(|(id, key)| (id.as_str(), key))
    }
}

fn public_key(entry: &Value, position: usize) -> Result<(Jwk, VerificationKey), RegisteredKeysError> {
    let members = entry.as_object().ok_or(RegisteredKeysError::Malformed)?;
    if let Some(member) = private_member(members).or_else(|| symmetric_member(members)) {
        return Err(RegisteredKeysError::Secret { position, member });
    }
    let refused = |reason| RegisteredKeysError::Key { position, reason };
    let jwk = Jwk::parse(members).map_err(refused)?;
    let key = VerificationKey::from_jwk(&jwk).map_err(refused)?;
    Ok((jwk, key))
}

/// RFC 7518 section 6.4.
fn symmetric_member(members: &Map<String, Value>) -> Option<&'static str> {
    let is_symmetric = members.get("kty").is_some_and(|kty| kty == "oct");
    if members.contains_key("k") { Some("k") } else { is_symmetric.then_some("kty") }
}

/// Of `keys`, those that a header may mean: with a `kid` those of that name or, if
/// there are none, those without a name; without a `kid` all. Only keys of the
/// header's algorithm.
pub fn meant_by<'k>(
    header: &'k Header,
    keys: impl Iterator<Item = (&'k str, &'k VerificationKey)> + Clone,
) -> impl Iterator<Item = &'k VerificationKey> {
    let named = header.key_id.as_deref();
    let has_name = named.is_some_and(|name| keys.clone().any(|(id, _)| id == name));
    let wanted = move |id: &str| match named {
        Some(name) if has_name => id == name,
        Some(_) => id.is_empty(),
        None => true,
    };
    keys.filter(move |(id, key)| wanted(id) && key.algorithm() == header.algorithm).map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{Algorithm, SigningKey};

    fn jwk(algorithm: Algorithm, kid: &str) -> Value {
        let key = SigningKey::from_pkcs8(algorithm, &SigningKey::generate(algorithm).unwrap()).unwrap();
        serde_json::to_value(key.public_jwk(kid)).unwrap()
    }

    fn with(mut jwk: Value, name: &str, value: Value) -> Value {
        jwk[name] = value;
        jwk
    }

    fn parse(keys: &Value) -> Result<RegisteredKeys, RegisteredKeysError> {
        RegisteredKeys::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn private_and_symmetric_keys_are_refused_by_what_they_are() {
        let good = jwk(Algorithm::ES256, "a");
        for (bad, member) in [
            (with(good.clone(), "d", json!("AA")), "d"),
            (with(jwk(Algorithm::EdDSA, "b"), "d", json!("AA")), "d"),
            (with(good.clone(), "k", json!("AA")), "k"),
            (json!({ "kty": "oct", "k": "AA", "kid": "b" }), "k"),
            (json!({ "kty": "oct", "kid": "b" }), "kty"),
            (json!({ "kty": "RSA", "n": "AQ", "e": "AQAB", "p": "AQ", "kid": "b" }), "p"),
        ] {
            let error = parse(&json!([good, bad])).unwrap_err();
            assert_eq!(error, RegisteredKeysError::Secret { position: 2, member }, "{bad}");
        }
    }

    #[test]
    fn one_bad_key_refuses_the_set() {
        let good = jwk(Algorithm::ES256, "a");
        for (bad, reason) in [
            (with(jwk(Algorithm::ES256, "b"), "use", json!("enc")), JwkError::NotForVerification),
            (with(jwk(Algorithm::ES256, "b"), "alg", json!("HS256")), JwkError::Algorithm),
            (with(jwk(Algorithm::ES256, "b"), "x", json!("AA")), JwkError::Member),
            (json!({ "kty": "RSA", "n": "AQ", "e": "AQAB", "kid": "b" }), JwkError::Unsound),
        ] {
            assert_eq!(parse(&json!([good, bad])).unwrap_err(), RegisteredKeysError::Key { position: 2, reason }, "{bad}");
        }
        for not_a_set in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, r#"{"keys":[],"keys":[]}"#, &good.to_string()] {
            assert_eq!(RegisteredKeys::parse(not_a_set.as_bytes()).unwrap_err(), RegisteredKeysError::Malformed, "{not_a_set}");
        }
        assert_eq!(parse(&json!([])).unwrap_err(), RegisteredKeysError::Count);
        assert_eq!(parse(&Value::Array(vec![good; MAX_REGISTERED_KEYS + 1])).unwrap_err(), RegisteredKeysError::Count);
    }

    #[test]
    fn the_keys_of_a_set_have_names_of_their_own() {
        let (a, b) = (jwk(Algorithm::ES256, "a"), jwk(Algorithm::ES256, "b"));
        assert!(parse(&json!([a, b])).is_ok());
        assert!(parse(&json!([jwk(Algorithm::ES256, "")])).is_ok());
        for bad in [&a, &jwk(Algorithm::ES256, ""), &jwk(Algorithm::ES256, &"x".repeat(256))] {
            assert_eq!(parse(&json!([a, bad])).unwrap_err(), RegisteredKeysError::KeyId { position: 2 });
        }
    }

    #[test]
    fn the_kept_document_has_nothing_that_does_not_count() {
        let jwk = with(jwk(Algorithm::ES256, "a"), "x5u", json!("https://evil.test"));
        let keys = parse(&json!([jwk])).unwrap();
        assert!(!keys.document().contains("evil"));
        assert_eq!(RegisteredKeys::parse(keys.document().as_bytes()).unwrap().document(), keys.document());
    }

    #[test]
    fn a_header_means_the_key_it_names_and_else_those_without_a_name() {
        let set = parse(&json!([jwk(Algorithm::ES256, "a"), jwk(Algorithm::ES256, "b"), jwk(Algorithm::EdDSA, "c")])).unwrap();
        let nameless = parse(&json!([jwk(Algorithm::ES256, "")])).unwrap();
        let count = |set: &RegisteredKeys, kid: Option<&str>| {
            let header = Header {
                algorithm: Algorithm::ES256,
                key_id: kid.map(str::to_owned),
                typ: None,
                #[cfg(weakened)]
                has_any_algorithm: false,
            };
            meant_by(&header, set.iter().collect::<Vec<_>>().into_iter()).count()
        };
        assert_eq!([count(&set, None), count(&set, Some("a")), count(&set, Some("c")), count(&set, Some("x"))], [2, 1, 0, 0]);
        assert_eq!([count(&nameless, None), count(&nameless, Some("x"))], [1, 1]);
    }
}
