//! The public key of an issuer as attackers use it: as the secret of an HMAC.

use aws_lc_rs::hmac;
use countersign_protocol::jose::base64url;
use serde_json::Value;

/// The encodings of a public key that a verifier could take for an HMAC secret,
/// with the names of the attacks.
pub(super) fn public_key_texts(jwk: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let der = subject_public_key_info(jwk);
    let pem = pem(&der);
    vec![
        ("hs256_with_public_key_as_pem", pem.clone().into_bytes()),
        ("hs256_with_public_key_as_pem_without_newline", pem.trim_end().as_bytes().to_vec()),
        ("hs256_with_public_key_as_der", der),
        ("hs256_with_public_key_as_jwk", jwk.to_string().into_bytes()),
        ("hs256_with_public_key_as_coordinate", member(jwk, "x").or_else(|| member(jwk, "n")).unwrap_or_default()),
        ("hs256_with_empty_secret", Vec::new()),
    ]
}

pub(super) fn hmac_sha256(secret: &[u8], message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes()).as_ref().to_vec()
}

fn member(jwk: &Value, name: &str) -> Option<Vec<u8>> {
    jwk.get(name).and_then(Value::as_str).and_then(base64url::decode)
}

/// RFC 5280 section 4.1: what PEM files of public keys hold.
fn subject_public_key_info(jwk: &Value) -> Vec<u8> {
    const RSA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0];
    const ED25519: &[u8] = &[0x06, 3, 0x2b, 0x65, 0x70];
    const EC: &[u8] = &[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    const P256: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    const P384: &[u8] = &[0x06, 5, 0x2b, 0x81, 4, 0, 0x22];
    const P521: &[u8] = &[0x06, 5, 0x2b, 0x81, 4, 0, 0x23];
    let get = |name| member(jwk, name).unwrap_or_default();
    let (algorithm, key) = match jwk.get("crv").and_then(Value::as_str) {
        None => (RSA.to_vec(), tagged(0x30, &[unsigned(&get("n")), unsigned(&get("e"))].concat())),
        Some("Ed25519") => (ED25519.to_vec(), get("x")),
        Some(curve) => {
            let curve = match curve {
                "P-256" => P256,
                "P-384" => P384,
                _ => P521,
            };
            ([EC, curve].concat(), [&[4][..], &get("x"), &get("y")].concat())
        }
    };
    let bits = tagged(0x03, &[&[0][..], &key].concat());
    tagged(0x30, &[tagged(0x30, &algorithm), bits].concat())
}

/// A DER value: tag, length, contents.
fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut value = vec![tag];
    match significant.as_slice() {
        [] => value.push(0),
        [short] if *short < 0x80 => value.push(*short),
        long => {
            value.push(0x80 | u8::try_from(long.len()).unwrap_or(u8::MAX));
            value.extend_from_slice(long);
        }
    }
    value.extend_from_slice(contents);
    value
}

/// A DER integer that is not negative.
fn unsigned(number: &[u8]) -> Vec<u8> {
    let pad: &[u8] = if number.first().is_some_and(|byte| *byte >= 0x80) { &[0] } else { &[] };
    tagged(0x02, &[pad, number].concat())
}

/// RFC 7468 section 13.
fn pem(der: &[u8]) -> String {
    let standard = base64url::encode(der).replace('-', "+").replace('_', "/");
    let padding = "=".repeat((4 - standard.len() % 4) % 4);
    let text = standard + &padding;
    let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
    for (index, character) in text.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem + "\n-----END PUBLIC KEY-----\n"
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::VerificationAlgorithm;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
    use countersign_protocol::jose::Algorithm;

    use super::*;
    use crate::testing::issuer::{key_id, new_key};

    /// A forgery with a secret that is not what a verifier would use proves nothing.
    #[test]
    fn the_public_keys_are_what_other_software_reads_from_pem_files() {
        let kinds: [(Algorithm, &'static dyn VerificationAlgorithm); 3] = [
            (Algorithm::RS256, &RSA_PKCS1_2048_8192_SHA256),
            (Algorithm::ES256, &ECDSA_P256_SHA256_FIXED),
            (Algorithm::EdDSA, &ED25519),
        ];
        for (algorithm, verification) in kinds {
            let key = new_key(algorithm);
            let jwk = serde_json::to_value(key.public_jwk(key_id(algorithm))).unwrap();
            let texts = public_key_texts(&jwk);
            let (_, der) = texts.iter().find(|(name, _)| name.ends_with("der")).unwrap();
            let parsed = ParsedPublicKey::new(verification, der).unwrap_or_else(|_| panic!("{algorithm}"));
            parsed.verify_sig(b"message", &key.sign(b"message").unwrap()).unwrap();
        }
    }
}
