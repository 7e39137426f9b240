//! Every algorithm: generate, publish, sign, find the key, verify.

use countersign_protocol::jose::{Algorithm, JwkSet, JwkSetError, JwsError, SigningKey, UnverifiedJws, base64url, sign_jwt};
use serde_json::{Value, json};

use crate::support::{key_pair, verify};

const fn signature_width(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::ES256 | Algorithm::EdDSA => 64,
        Algorithm::ES384 => 96,
        Algorithm::ES512 => 132,
        Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 | Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => 256,
    }
}

#[test]
fn every_algorithm_signs_and_verifies() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::from_pkcs8(algorithm, &SigningKey::generate(algorithm).unwrap()).unwrap();
        let set = json!({ "keys": [key.public_jwk("one")] }).to_string();
        let keys = JwkSet::parse(set.as_bytes()).unwrap();
        let claims = json!({ "iss": "https://issuer.example", "scope": "a b" });
        let token = sign_jwt(&key, "one", "at+jwt", &claims).unwrap();

        let parsed = UnverifiedJws::parse(&token).unwrap();
        let header = parsed.header();
        assert_eq!((header.algorithm, header.key_id.as_deref(), header.typ.as_deref()), (algorithm, Some("one"), Some("at+jwt")));
        let payload = parsed.verify(keys.find(Some("one")).unwrap()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), claims, "{algorithm}");
        assert!(keys.find(None).is_some() && keys.find(Some("two")).is_none());

        let signature = base64url::decode(token.rsplit('.').next().unwrap()).unwrap();
        assert_eq!(signature.len(), signature_width(algorithm), "{algorithm}");
    }
}

/// An integer that happens to be short must still fill its half of the signature.
#[test]
fn ecdsa_signatures_always_have_the_full_width() {
    for algorithm in [Algorithm::ES256, Algorithm::ES384, Algorithm::ES512] {
        let (signing, verification) = key_pair(algorithm);
        for message in 0_u16..512 {
            let signature = signing.sign(&message.to_be_bytes()).unwrap();
            assert_eq!(signature.len(), signature_width(algorithm));
            assert!(verification.verifies(&message.to_be_bytes(), &signature));
        }
    }
}

#[test]
fn one_changed_byte_anywhere_is_refused() {
    for algorithm in Algorithm::ALL {
        let (signing, verification) = key_pair(algorithm);
        let token = sign_jwt(&signing, "key", "at+jwt", &json!({ "iss": "i" })).unwrap();
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(verify(&changed, &verification).is_err(), "{algorithm}: byte {at}");
        }
    }
}

#[test]
fn keys_that_share_an_id_are_all_skipped() {
    let [one, two] = [Algorithm::ES256, Algorithm::EdDSA].map(|algorithm| key_pair(algorithm).0.public_jwk("same"));
    let other = key_pair(Algorithm::ES384).0.public_jwk("other");
    let set = JwkSet::parse(json!({ "keys": [one, two, other] }).to_string().as_bytes()).unwrap();
    assert!(set.find(Some("same")).is_none() && set.find(Some("other")).is_some());
    assert_eq!(set.skipped(), 2);
    assert_eq!(JwkSet::parse(json!({ "keys": [one, two] }).to_string().as_bytes()).unwrap_err(), JwkSetError::NoUsableKey);
}

#[test]
fn h111_a_key_verifies_no_token_of_another_algorithm() {
    let pairs = Algorithm::ALL.map(key_pair);
    for (signing, own) in &pairs {
        let token = sign_jwt(signing, "key", "at+jwt", &json!({})).unwrap();
        for (_, other) in pairs.iter().filter(|(_, other)| other.algorithm() != own.algorithm()) {
            assert_eq!(verify(&token, other), Err(JwsError::AlgorithmNotOfKey), "{} by {}", own.algorithm(), other.algorithm());
        }
        assert!(verify(&token, own).is_ok());
    }
}
