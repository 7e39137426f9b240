//! ES256 signatures at the edges: out of range, DER, and of the wrong width.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use countersign_protocol::jose::{Algorithm, JwsError, SigningKey, VerificationKey, base64url};

use crate::support::verify;

/// The order of P-256.
const N: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, //
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

#[test]
fn h112_only_two_integers_in_range_and_of_full_width_verify() {
    let pkcs8 = SigningKey::generate(Algorithm::ES256).unwrap();
    let signing = SigningKey::from_pkcs8(Algorithm::ES256, &pkcs8).unwrap();
    let key = VerificationKey::from_jwk(&signing.public_jwk("key")).unwrap();
    let input = format!("{}.{}", base64url::encode(br#"{"alg":"ES256"}"#), base64url::encode(b"{}"));
    let verdict = |signature: &[u8]| verify(&format!("{input}.{}", base64url::encode(signature)), &key);

    let good = signing.sign(input.as_bytes()).unwrap();
    assert!(verdict(&good).is_ok());
    let (r, s) = good.split_at(32);
    let der_pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.expose()).unwrap();
    let der = der_pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();

    let zero = [0; 32];
    let bad = [
        ("r = s = 0", [zero, zero].concat()),
        ("r = 0", [&zero, s].concat()),
        ("s = 0", [r, &zero].concat()),
        ("r = s = n", [N, N].concat()),
        ("r = n", [&N, s].concat()),
        ("s = n", [r, &N].concat()),
        ("s and r exchanged", [s, r].concat()),
        ("all ones", vec![0xff; 64]),
        ("DER", der.as_ref().to_vec()),
        ("empty", Vec::new()),
        ("32 bytes", r.to_vec()),
        ("63 bytes, the last missing", good[..63].to_vec()),
        ("63 bytes, the first missing", good[1..].to_vec()),
        ("65 bytes, zero behind", [&good, &zero[..1]].concat()),
        ("65 bytes, zero in front", [&zero[..1], &good].concat()),
        ("66 bytes, each half with a zero in front", [&zero[..1], r, &zero[..1], s].concat()),
        ("66 bytes, zeros behind", [&good, &zero[..2]].concat()),
        ("132 bytes, as for P-521", [&[0; 34], r, &[0; 34], s].concat()),
    ];
    for (what, signature) in bad {
        assert_eq!(verdict(&signature), Err(JwsError::BadSignature), "{what}");
    }
}
