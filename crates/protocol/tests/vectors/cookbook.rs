//! The JOSE cookbook (RFC 7520 section 4), with its examples for RFC 7797 and RFC 8037.

use countersign_protocol::jose::{JwkError, UnverifiedJws};

use crate::support::{public_half, published, read_json, verification_key, verify};

const OFFERED: [(&str, &str); 4] = [
    ("jws/4_1.rsa_v15_signature.json", "RS256"),
    ("jws/4_2.rsa-pss_signature.json", "PS384"),
    ("jws/4_3.ecdsa_signature.json", "ES512"),
    ("curve25519/jws.json", "EdDSA"),
];

/// HMAC, detached payloads, unencoded payloads, and what exists as JSON only.
const NOT_OFFERED: [&str; 7] = [
    "jws/4_4.hmac-sha2_integrity_protection.json",
    "jws/4_5.signature_with_detached_content.json",
    "jws/4_6.protecting_specific_header_fields.json",
    "jws/4_7.protecting_content_only.json",
    "jws/4_8.multiple_signatures.json",
    "rfc7797/hmac-sha2_b64_false.json",
    "rfc7797/4.2.hmac-sha2_b64_false.json",
];

#[test]
fn the_offered_algorithms_verify() {
    let Some(folder) = published("the JOSE cookbook", OFFERED.len()) else { return };
    for (name, alg) in OFFERED {
        let example = read_json(&folder.join("jose-cookbook").join(name));
        let (input, output) = (&example["input"], &example["output"]);
        assert_eq!(input["alg"], alg, "{name}");
        assert_eq!(verification_key(&input["key"]).unwrap_err(), JwkError::PrivateMaterial, "{name}");
        let key = verification_key(&public_half(&input["key"], alg)).unwrap();
        let payload = verify(output["compact"].as_str().unwrap(), &key).unwrap();
        assert_eq!(payload, input["payload"].as_str().unwrap().as_bytes(), "{name}");
    }
}

#[test]
fn everything_else_is_refused() {
    let Some(folder) = published("what the JOSE cookbook has and we refuse", NOT_OFFERED.len() + OFFERED.len()) else { return };
    let mut refused = 0;
    for name in OFFERED.map(|(name, _)| name).into_iter().chain(NOT_OFFERED) {
        let example = read_json(&folder.join("jose-cookbook").join(name));
        for (form, output) in example["output"].as_object().unwrap() {
            if form == "compact" && !NOT_OFFERED.contains(&name) {
                continue;
            }
            let token = output.as_str().map_or_else(|| output.to_string(), str::to_owned);
            assert!(UnverifiedJws::parse(&token).is_err(), "{name} {form}");
            refused += 1;
        }
    }
    // Eleven general and ten flattened serialisations, three HMACs in compact form.
    assert_eq!(refused, 24);
}
