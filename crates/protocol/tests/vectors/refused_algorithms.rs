//! Algorithm confusion: `none`, HMAC with public keys, tokens that lie about their algorithm.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::jose::{Algorithm, JwsError, UnverifiedJws, base64url};

use crate::support::{key_pair, pkcs8, verify, with_header};

#[test]
fn an_algorithm_that_is_no_registered_name_is_refused() {
    let (signing, _) = key_pair(Algorithm::RS256);
    let headers = [
        "{}",
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":"NONE"}"#,
        r#"{"alg":"nOnE"}"#,
        r#"{"alg":"\u006eone"}"#,
        r#"{"alg":""}"#,
        r#"{"alg":null}"#,
        r#"{"alg":[]}"#,
        r#"{"alg":["RS256"]}"#,
        r#"{"alg":{"RS256":true}}"#,
        r#"{"alg":256}"#,
        r#"{"alg":true}"#,
        r#"{"alg":"rs256"}"#,
        r#"{"alg":"RS256 "}"#,
        r#"{"alg":"RS256\u0000"}"#,
        r#"{"ALG":"RS256"}"#,
        r#"{"alg":"ES256K"}"#,
        r#"{"alg":"ES521"}"#,
        r#"{"alg":"Ed25519"}"#,
        r#"{"alg":"RSA1_5"}"#,
    ];
    for header in headers {
        let token = with_header(&signing, header);
        let unsigned = &token[..=token.rfind('.').unwrap()];
        for token in [token.as_str(), unsigned] {
            assert_eq!(UnverifiedJws::parse(token).unwrap_err(), JwsError::AlgorithmNotAllowed, "{header}");
        }
    }
}

#[test]
fn h110_no_form_of_the_public_key_is_an_hmac_key() {
    let (signing, verification) = key_pair(Algorithm::RS256);
    let jwk = serde_json::to_value(signing.public_jwk("key")).unwrap();
    let pair = RsaKeyPair::from_pkcs8(pkcs8(Algorithm::RS256).expose()).unwrap();
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let pem = |label: &str, der: &[u8]| {
        let text = STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    };
    let spki_pem = pem("PUBLIC KEY", spki.as_ref());
    let n = jwk["n"].as_str().unwrap();
    let secrets: [Vec<u8>; 9] = [
        spki_pem.trim_end().into(),
        spki_pem.into(),
        pem("RSA PUBLIC KEY", pair.public_key().as_ref()).into(),
        spki.as_ref().into(),
        pair.public_key().as_ref().into(),
        jwk.to_string().into(),
        n.into(),
        base64url::decode(n).unwrap(),
        Vec::new(),
    ];
    let hashes = [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)];
    for secret in &secrets {
        for (alg, hash) in hashes {
            let mac = |alg: &str| {
                let header = format!(r#"{{"alg":"{alg}","kid":"key"}}"#);
                let input = format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(b"{}"));
                let tag = hmac::sign(&hmac::Key::new(hash, secret), input.as_bytes());
                format!("{input}.{}", base64url::encode(tag.as_ref()))
            };
            assert_eq!(verify(&mac(alg), &verification), Err(JwsError::AlgorithmNotAllowed), "{alg}");
            assert_eq!(verify(&mac("RS256"), &verification), Err(JwsError::BadSignature), "{alg} called RS256");
        }
    }
}

/// The header names one algorithm, the signature over it is made with another; among the
/// RSA algorithms by the very same key.
#[test]
fn h111_a_token_that_lies_about_its_algorithm_is_refused() {
    let pairs = Algorithm::ALL.map(key_pair);
    for (signing, own) in &pairs {
        for (_, named) in pairs.iter().filter(|(_, named)| named.algorithm() != own.algorithm()) {
            let token = with_header(signing, format!(r#"{{"alg":"{}"}}"#, named.algorithm()));
            let case = format!("{} called {}", own.algorithm(), named.algorithm());
            assert_eq!(verify(&token, named), Err(JwsError::BadSignature), "{case}");
            assert_eq!(verify(&token, own), Err(JwsError::AlgorithmNotOfKey), "{case}");
        }
    }
}

#[test]
fn h111_an_rs256_token_relabelled_ps256_is_refused() {
    let (signing, rs256) = key_pair(Algorithm::RS256);
    let (_, ps256) = key_pair(Algorithm::PS256);
    let token = with_header(&signing, r#"{"alg":"RS256"}"#);
    let (_, rest) = token.split_once('.').unwrap();
    let relabelled = format!("{}.{rest}", base64url::encode(br#"{"alg":"PS256"}"#));
    assert!(verify(&token, &rs256).is_ok());
    assert_eq!(verify(&relabelled, &rs256), Err(JwsError::AlgorithmNotOfKey));
    assert_eq!(verify(&relabelled, &ps256), Err(JwsError::BadSignature));
}
