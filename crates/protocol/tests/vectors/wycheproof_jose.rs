//! Project Wycheproof's JWS and JWK sets.

use countersign_protocol::jose::{JwkSet, UnverifiedJws};
use serde_json::Value;

use crate::support::{published, read_json, verification_key, verify};

/// Where we refuse what the JWS file calls valid.
const JWS_DIFFERENCES: [u64; 14] = [
    1,   // HMAC is not offered
    346, // the key says PS256, the token PS384: a key has one algorithm
    347, // the key says ES521, which is no algorithm
    348, // HMAC is not offered
    350, // as 346
    351, // as 347
    352, // HMAC is not offered
    357, // HMAC is not offered
    358, // HMAC is not offered
    359, // HMAC is not offered
    372, // HMAC; also '?' in the header, which is not base64url
    373, // HMAC; also '?' in the payload, which is not base64url
    376, // HMAC; the spaces in the header would do no harm
    377, // HMAC; the line break in the header would do no harm
];

/// Where we refuse what the JWK file calls valid.
const JWK_DIFFERENCES: [u64; 4] = [
    2,  // oct key: HMAC is not offered
    13, // oct key
    14, // oct key
    15, // oct key
];

#[test]
fn h115_jws_set() {
    let Some(folder) = published("Wycheproof's JWS set", 23) else { return };
    let (cases, differences) = differences(&read_json(&folder.join("wycheproof/json_web_signature_test.json")), |jwk, token| {
        verification_key(jwk).is_ok_and(|key| verify(token, &key).is_ok())
    });
    assert_eq!((cases, differences), (401, JWS_DIFFERENCES.to_vec()));
}

#[test]
fn h115_jwk_set() {
    let Some(folder) = published("Wycheproof's JWK set", 26) else { return };
    let (cases, differences) = differences(&read_json(&folder.join("wycheproof/json_web_key_test.json")), |keys, token| {
        let Ok(keys) = JwkSet::parse(keys.to_string().as_bytes()) else { return false };
        let Ok(token) = UnverifiedJws::parse(token) else { return false };
        keys.find(token.header().key_id.as_deref()).is_some_and(|key| token.verify(key).is_ok())
    });
    assert_eq!((cases, differences), (26, JWK_DIFFERENCES.to_vec()));
}

/// How many cases there are, and the numbers of those that we refuse although the
/// file calls them valid. Fails at once for a case that should be refused and is not.
fn differences(file: &Value, accepts: impl Fn(&Value, &str) -> bool) -> (usize, Vec<u64>) {
    let (mut cases, mut differences) = (0, Vec::new());
    for group in file["testGroups"].as_array().unwrap() {
        let key = group.get("public").unwrap_or(&group["private"]);
        for case in group["tests"].as_array().unwrap() {
            cases += 1;
            let accepted = accepts(key, case["jws"].as_str().unwrap());
            let valid = case["result"] == "valid";
            assert!(valid || !accepted, "case {} is accepted: {}", case["tcId"], case["comment"]);
            if accepted != valid {
                differences.push(case["tcId"].as_u64().unwrap());
            }
        }
    }
    (cases, differences)
}
