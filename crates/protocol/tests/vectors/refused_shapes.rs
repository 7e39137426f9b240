//! Tokens with the wrong shape: alphabet, number of parts, size, serialisation, header.

use countersign_protocol::jose::{Algorithm, JwsError, MAX_TOKEN_BYTES, SigningKey, UnverifiedJws, base64url};
use serde_json::json;

use crate::support::{key_pair, signed, verify, with_header};

const HEADER: &str = r#"{"alg":"ES256"}"#;

fn refused_for(header: impl AsRef<[u8]>, reason: JwsError) {
    let (signing, _) = key_pair(Algorithm::ES256);
    let token = with_header(&signing, header.as_ref());
    assert_eq!(UnverifiedJws::parse(&token).unwrap_err(), reason, "{}", String::from_utf8_lossy(header.as_ref()));
}

#[test]
fn foreign_characters_in_any_part_are_refused() {
    let (signing, verification) = key_pair(Algorithm::ES256);
    let good = [base64url::encode(HEADER.as_bytes()), base64url::encode(br#"{"iss":"i"}"#)];
    for foreign in [" ", "\t", "\r", "\n", "\r\n", "=", "==", "+", "/", "?", "%", "\0", "\u{a0}", "\u{feff}", "é"] {
        for part in 0..3 {
            for position in ["start", "middle", "end"] {
                let insert = |text: &mut String| {
                    let at = match position {
                        "start" => 0,
                        "middle" => text.len() / 2,
                        _ => text.len(),
                    };
                    text.insert_str(at, foreign);
                };
                let case = format!("{foreign:?} at the {position} of part {part}");
                // Put in before signing: the signature is good.
                let mut parts = good.clone();
                if let Some(text) = parts.get_mut(part) {
                    insert(text);
                    let token = signed(&signing, &parts[0], &parts[1]);
                    assert_eq!(verify(&token, &verification), Err(JwsError::Base64), "{case}, signed");
                }
                // Put in afterwards.
                let token = signed(&signing, &good[0], &good[1]);
                let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
                insert(&mut parts[part]);
                assert!(verify(&parts.join("."), &verification).is_err(), "{case}");
            }
        }
    }
}

/// The last character of 64 bytes carries four bits that mean nothing.
#[test]
fn a_signature_has_one_spelling() {
    let (signing, verification) = key_pair(Algorithm::ES256);
    let token = with_header(&signing, HEADER);
    let (front, last) = token.split_at(token.len() - 1);
    assert!("AQgw".contains(last) && verify(&token, &verification).is_ok());
    for other in ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']).filter(|other| !"AQgw".contains(*other)) {
        assert_eq!(verify(&format!("{front}{other}"), &verification), Err(JwsError::Base64));
    }
}

#[test]
fn a_token_has_three_parts() {
    let (signing, verification) = key_pair(Algorithm::ES256);
    let good = with_header(&signing, HEADER);
    let parts: Vec<_> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    for token in [
        String::new(),
        header.to_owned(),
        format!("{header}.{payload}"),
        format!("{header}.{signature}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{header}..{payload}.{signature}"),
        format!("{good}.{signature}"),
        format!("{good}.{payload}.{signature}"),
        format!("{good}.{good}"),
        format!("{good}...."),
        ".".to_owned(),
        ".".repeat(3),
        ".".repeat(4),
        ".".repeat(5),
        ".".repeat(6),
        ".".repeat(MAX_TOKEN_BYTES),
    ] {
        assert_eq!(UnverifiedJws::parse(&token).unwrap_err(), JwsError::NotCompact, "{token:.99}");
    }
    // Three parts, but empty ones.
    for token in
        ["..".to_owned(), format!(".{payload}.{signature}"), format!("{header}.{payload}."), format!("{header}..{signature}")]
    {
        assert!(verify(&token, &verification).is_err(), "{token}");
    }
}

#[test]
fn the_size_is_checked_before_anything_is_looked_at() {
    for token in [".".repeat(1_000_000), "A".repeat(1_000_000), ".".repeat(MAX_TOKEN_BYTES + 1)] {
        assert_eq!(UnverifiedJws::parse(&token).unwrap_err(), JwsError::TooLarge);
    }
}

#[test]
fn json_serialisations_are_refused() {
    let (signing, _) = key_pair(Algorithm::ES256);
    let good = with_header(&signing, HEADER);
    let parts: Vec<_> = good.split('.').collect();
    let signature = json!({ "protected": parts[0], "signature": parts[2] });
    let flattened = json!({ "payload": parts[1], "protected": parts[0], "signature": parts[2] });
    let general = json!({ "payload": parts[1], "signatures": [signature] });
    // A compact token hidden in a member whose dots look like a token's.
    let mixed = json!({ "protected": "", "payload": good, "signature": "" });
    for token in [flattened.to_string(), general.to_string(), json!([good]).to_string(), format!("\"{good}\""), mixed.to_string()] {
        assert!(matches!(UnverifiedJws::parse(&token).unwrap_err(), JwsError::NotCompact | JwsError::Base64), "{token}");
    }
}

#[test]
fn critical_extensions_are_refused_in_any_form() {
    for member in [
        r#""crit":["exp"]"#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":["b64"],"b64":true"#,
        r#""crit":[]"#,
        r#""crit":null"#,
        r#""crit":"exp""#,
        r#""\u0063rit":["exp"]"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""b64":null"#,
    ] {
        refused_for(format!(r#"{{"alg":"ES256",{member}}}"#), JwsError::CriticalExtension);
    }
}

#[test]
fn a_header_names_no_member_twice() {
    for header in [
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"ES256","alg":"none"}"#,
        r#"{"alg":"none","alg":"ES256"}"#,
        r#"{"alg":"ES256","\u0061lg":"none"}"#,
        r#"{"alg":"ES256","kid":"a","kid":"b"}"#,
        r#"{"alg":"ES256","jwk":{"kty":"EC","kty":"oct"}}"#,
    ] {
        refused_for(header, JwsError::DuplicateMember);
    }
}

#[test]
fn a_header_is_one_json_object() {
    for header in [
        "",
        "null",
        "[]",
        r#""ES256""#,
        r#"[{"alg":"ES256"}]"#,
        r#"{"alg":"ES256"} {}"#,
        r#"{"alg":"ES256",}"#,
        r#"{'alg':'ES256'}"#,
        "\u{feff}{\"alg\":\"ES256\"}",
        r#"{"alg":"ES256","kid":1}"#,
        r#"{"alg":"ES256","kid":null}"#,
        r#"{"alg":"ES256","typ":["at+jwt"]}"#,
    ] {
        refused_for(header, JwsError::Json);
    }
    refused_for(b"{\"alg\":\"ES256\",\"x\":\"\xff\"}", JwsError::Json);
    refused_for(format!(r#"{{"alg":"ES256","x":{}1{}}}"#, "[".repeat(5_000), "]".repeat(5_000)), JwsError::Json);
}

/// Keys and key addresses in a header are never looked at.
#[test]
fn a_key_that_the_token_brings_along_is_not_used() {
    let (attacker, _) = key_pair(Algorithm::ES256);
    let (signing, verification) = key_pair(Algorithm::ES256);
    let header = json!({
        "alg": "ES256",
        "kid": "key",
        "jwk": attacker.public_jwk("key"),
        "jku": "https://attacker.example/jwks",
        "x5u": "https://attacker.example/certificate",
        "x5c": ["AA=="],
    });
    let token = |key: &SigningKey| with_header(key, header.to_string());
    assert_eq!(verify(&token(&attacker), &verification), Err(JwsError::BadSignature));
    assert!(verify(&token(&signing), &verification).is_ok());
}
