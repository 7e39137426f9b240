//! JWKs that are no sound public signature keys.

use countersign_protocol::jose::{Algorithm, JwkError, base64url};
use serde_json::{Value, json};

use crate::support::{key_pair, verification_key};

fn jwk(algorithm: Algorithm) -> Value {
    serde_json::to_value(key_pair(algorithm).0.public_jwk("key")).unwrap()
}

/// `key` with one member changed, or added.
fn with(key: &Value, member: &str, value: impl Into<Value>) -> Value {
    let mut key = key.clone();
    key[member] = value.into();
    key
}

fn refused_for(key: &Value, reason: JwkError) {
    assert_eq!(verification_key(key).unwrap_err(), reason, "{key}");
}

#[test]
fn h111_alg_must_fit_the_key() {
    for own in Algorithm::ALL {
        let key = jwk(own);
        for named in Algorithm::ALL {
            let key = with(&key, "alg", named.as_str());
            if named.key_type() == own.key_type() {
                assert_eq!(verification_key(&key).unwrap().algorithm(), named);
            } else {
                refused_for(&key, JwkError::Algorithm);
            }
        }
        for unknown in ["none", "HS256", "RSA-OAEP", "ECDH-ES", "es256", ""] {
            refused_for(&with(&key, "alg", unknown), JwkError::Algorithm);
        }
        refused_for(&with(&key, "alg", Value::Null), JwkError::Member);
    }
}

#[test]
fn private_members_are_refused_whatever_they_hold() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
            for value in [json!("AQ"), json!(""), json!(null), json!([])] {
                refused_for(&with(&jwk(algorithm), member, value), JwkError::PrivateMaterial);
            }
        }
    }
}

#[test]
fn use_and_key_ops_must_allow_verification() {
    let key = jwk(Algorithm::ES256);
    for other in ["enc", "SIG", ""] {
        refused_for(&with(&key, "use", other), JwkError::NotForVerification);
    }
    for operations in [json!([]), json!(["sign"]), json!(["encrypt", "wrapKey"]), json!("verify"), json!(null)] {
        refused_for(&with(&key, "key_ops", operations), JwkError::NotForVerification);
    }
    assert!(verification_key(&with(&key, "key_ops", json!(["sign", "verify"]))).is_ok());
}

#[test]
fn h111_other_key_types_and_curves_are_refused() {
    refused_for(&json!({ "kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }), JwkError::KeyType);
    for (algorithm, member, other) in [
        (Algorithm::ES256, "kty", "ec"),
        (Algorithm::ES256, "kty", "OKP"),
        (Algorithm::ES256, "crv", "secp256k1"),
        (Algorithm::ES256, "crv", "p-256"),
        (Algorithm::EdDSA, "crv", "Ed448"),
        (Algorithm::EdDSA, "crv", "X25519"),
    ] {
        refused_for(&with(&jwk(algorithm), member, other), JwkError::KeyType);
    }
}

#[test]
fn coordinates_have_the_full_width_and_lie_on_the_curve() {
    for algorithm in [Algorithm::ES256, Algorithm::ES384, Algorithm::ES512] {
        let key = jwk(algorithm);
        for member in ["x", "y"] {
            let text = key[member].as_str().unwrap();
            let good = base64url::decode(text).unwrap();
            let cut = base64url::encode(&good[1..]);
            let padded = base64url::encode(&[&[0], good.as_slice()].concat());
            for value in [json!(cut), json!(padded), json!(""), json!(format!("{text}=")), json!(5), json!(null)] {
                refused_for(&with(&key, member, value), JwkError::Member);
            }
            let off_curve = base64url::encode(&good.iter().map(|byte| !byte).collect::<Vec<_>>());
            for other in [base64url::encode(&vec![0; good.len()]), base64url::encode(&vec![0xff; good.len()]), off_curve] {
                refused_for(&with(&key, member, other), JwkError::Unsound);
            }
        }
        let zero = base64url::encode(&vec![0; base64url::decode(key["x"].as_str().unwrap()).unwrap().len()]);
        refused_for(&with(&with(&key, "x", zero.clone()), "y", zero), JwkError::Unsound);
    }
}

#[test]
fn an_ed25519_key_has_32_bytes() {
    let key = jwk(Algorithm::EdDSA);
    for length in [0, 31, 33, 64] {
        refused_for(&with(&key, "x", base64url::encode(&vec![9; length])), JwkError::Unsound);
    }
}

#[test]
fn rsa_numbers_are_odd_and_of_the_right_size() {
    let key = jwk(Algorithm::RS256);
    for exponent in [&[][..], &[0], &[1], &[0, 0, 1], &[2], &[1, 0, 0]] {
        refused_for(&with(&key, "e", base64url::encode(exponent)), JwkError::Unsound);
    }
    let n = base64url::decode(key["n"].as_str().unwrap()).unwrap();
    let mut even = n.clone();
    even[255] ^= 1;
    let mut one_bit_short = n.clone();
    one_bit_short[0] = 0x7f;
    let zero_in_front = [&[0], n.as_slice()].concat();
    for modulus in [&[][..], &[1], &n[128..], &n[1..], &one_bit_short, &even, &zero_in_front, &n.repeat(5)] {
        refused_for(&with(&key, "n", base64url::encode(modulus)), JwkError::Unsound);
    }
    for member in ["n", "e"] {
        for value in [json!(format!("{}=", key[member].as_str().unwrap())), json!("A+/B"), json!(65537), json!(null)] {
            refused_for(&with(&key, member, value), JwkError::Member);
        }
    }
}

#[test]
fn an_ed25519_key_of_small_order_is_unsound() {
    let x = base64url::encode(&[&[1][..], &[0; 31]].concat());
    refused_for(&json!({ "kty": "OKP", "crv": "Ed25519", "x": x }), JwkError::Unsound);
}
