//! Tokens that were made to be accepted. Each test carries the attack's name.

use countersign_protocol::jose::base64url;
use countersign_verify::Algorithm;
use serde_json::{Value, json};

use crate::support::{AUDIENCE, BAD_SIGNATURE, NOW, UNKNOWN_KEY, World, claims, key_set, new_key, rsa_key, sign_raw, token_of};

const ALGORITHM: (&str, u16) = ("CS-1009", 401);
const SHAPE: (&str, u16) = ("CS-1005", 401);
const BASE64: (&str, u16) = ("CS-1006", 401);
const JSON: (&str, u16) = ("CS-1007", 401);
const DUPLICATE: (&str, u16) = ("CS-1008", 401);
const TYPE: (&str, u16) = ("CS-1010", 401);
const CRITICAL: (&str, u16) = ("CS-1011", 401);

fn good_claims() -> String {
    claims(&json!({})).to_string()
}

/// A token without any signature of ours: header, payload, third part.
fn forged(header: &str, third: &str) -> String {
    format!("{}.{}.{third}", base64url::encode(header.as_bytes()), base64url::encode(good_claims().as_bytes()))
}

/// A correctly signed token with this header.
fn signed(world: &World, header: &Value) -> String {
    sign_raw(&world.key, &header.to_string(), &good_claims())
}

fn header(extra: &Value) -> Value {
    let mut header = json!({ "alg": "EdDSA", "kid": "k1", "typ": "at+jwt" });
    for (name, value) in extra.as_object().unwrap() {
        header[name] = value.clone();
    }
    header
}

#[tokio::test]
async fn h109_alg_none_is_rejected_in_every_spelling() {
    let world = World::new().await;
    for alg in [json!("none"), json!("None"), json!("NONE"), json!("nOnE"), json!(""), json!(null), json!(["none"]), json!(0)] {
        for third in ["", "AAAA", "c2ln"] {
            let token = forged(&header(&json!({ "alg": alg })).to_string(), third);
            assert_eq!(world.refusal(&token).await, ALGORITHM, "{alg} {third}");
        }
    }
    let without = forged(r#"{"kid":"k1","typ":"at+jwt"}"#, "AAAA");
    assert_eq!(world.refusal(&without).await, ALGORITHM);
    let two_parts = forged(&header(&json!({ "alg": "none" })).to_string(), "");
    assert_eq!(world.refusal(two_parts.trim_end_matches('.')).await, SHAPE);
}

#[tokio::test]
async fn h110_rs_key_as_hs_secret_is_rejected() {
    let world = World::cold(|builder| builder);
    world.issuer.publish(key_set(&[("k1", &rsa_key(Algorithm::RS256))]));
    for alg in ["HS256", "HS384", "HS512", "hs256"] {
        // No verifier here has a MAC at all: the third part does not matter.
        let token = forged(&header(&json!({ "alg": alg })).to_string(), &base64url::encode(&[7; 32]));
        assert_eq!(world.refusal(&token).await, ALGORITHM, "{alg}");
    }
    world.verify(&token_of(&rsa_key(Algorithm::RS256), "k1", &json!({}))).await.unwrap();
}

#[tokio::test]
async fn h111_a_token_relabelled_with_another_algorithm_is_rejected() {
    let world = World::cold(|builder| builder);
    let published = rsa_key(Algorithm::RS256);
    world.issuer.publish(key_set(&[("k1", &published)]));
    for other in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS512] {
        // Correctly signed with the private key, in an algorithm the key is not published for.
        let token = token_of(&rsa_key(other), "k1", &json!({}));
        assert_eq!(world.refusal(&token).await, ("CS-1013", 401), "{other}");
    }
    for alg in ["ES256", "EdDSA"] {
        let token = sign_raw(&published, &header(&json!({ "alg": alg })).to_string(), &good_claims());
        assert_eq!(world.refusal(&token).await, ("CS-1013", 401), "{alg}");
    }
}

#[tokio::test]
async fn h111_an_algorithm_outside_the_builders_list_is_rejected() {
    let world = World::with(|builder| builder.algorithms([Algorithm::RS256, Algorithm::ES256])).await;
    assert_eq!(world.refusal(&world.token(&json!({}))).await, ALGORITHM);
    let world = World::with(|builder| builder.algorithms([Algorithm::EdDSA])).await;
    world.verify(&world.token(&json!({}))).await.unwrap();
}

#[tokio::test]
async fn h112_ecdsa_signatures_at_the_edges_are_rejected() {
    // The order of P-256.
    const N: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, //
        0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let world = World::cold(|builder| builder);
    let key = new_key(Algorithm::ES256);
    world.issuer.publish(key_set(&[("k1", &key)]));
    let token = token_of(&key, "k1", &json!({}));
    world.verify(&token).await.unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let good = base64url::decode(signature).unwrap();
    let (r, s) = good.split_at(32);
    let zero = [0; 32];
    let number = |half: &[u8]| [&[2, 33, 0][..], half].concat();
    let der = [&[0x30, 70][..], &number(r), &number(s)].concat();
    for (what, signature) in [
        ("r = s = 0", [zero, zero].concat()),
        ("r = 0", [&zero, s].concat()),
        ("s = 0", [r, &zero].concat()),
        ("r = s = n", [N, N].concat()),
        ("s = n", [r, &N].concat()),
        ("DER", der),
        ("63 bytes", good[..63].to_vec()),
        ("65 bytes", [&good, &zero[..1]].concat()),
        ("66 bytes", [&zero[..1], r, &zero[..1], s].concat()),
        ("nothing", Vec::new()),
    ] {
        assert_eq!(world.refusal(&format!("{signed}.{}", base64url::encode(&signature))).await, BAD_SIGNATURE, "{what}");
    }
    assert_eq!(world.issuer.fetches(), 1);
}

#[tokio::test]
async fn h113_an_embedded_key_is_never_used_nor_fetched() {
    let world = World::new().await;
    let stranger = new_key(Algorithm::EdDSA);
    let jwk = serde_json::to_value(stranger.public_jwk("k1")).unwrap();
    for extra in [
        json!({ "jwk": jwk }),
        json!({ "jku": "https://evil.test/keys" }),
        json!({ "x5u": "https://evil.test/cert" }),
        json!({ "x5c": ["MIIB"] }),
    ] {
        let token = sign_raw(&stranger, &header(&extra).to_string(), &good_claims());
        assert_eq!(world.refusal(&token).await, BAD_SIGNATURE, "{extra}");
    }
    assert_eq!(world.issuer.fetches(), 1);
}

#[tokio::test]
async fn h114_crit_is_rejected_in_every_form() {
    let world = World::new().await;
    for crit in [json!(["exp"]), json!(["b64"]), json!([]), json!("exp"), json!(null), json!(["unheard-of"])] {
        assert_eq!(world.refusal(&signed(&world, &header(&json!({ "crit": crit })))).await, CRITICAL, "{crit}");
    }
}

#[tokio::test]
async fn h114_the_b64_member_is_rejected_in_every_form() {
    let world = World::new().await;
    for b64 in [json!(false), json!(true), json!(null)] {
        assert_eq!(world.refusal(&signed(&world, &header(&json!({ "b64": b64 })))).await, CRITICAL, "{b64}");
    }
}

#[tokio::test]
async fn kid_traversal_finds_no_key() {
    let world = World::new().await;
    for kid in
        ["../../../../dev/null", "/etc/passwd", "' OR 1=1--", "k1\0", "K1", " k1", "k1 ", "https://evil.test/keys", "k1/../k1", ""]
    {
        assert_eq!(world.refusal(&signed(&world, &header(&json!({ "kid": kid })))).await, UNKNOWN_KEY, "{kid}");
    }
    for kid in [json!(null), json!(1), json!(["k1"]), json!({})] {
        assert_eq!(world.refusal(&signed(&world, &header(&json!({ "kid": kid })))).await, JSON, "{kid}");
    }
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn h123_a_member_named_twice_is_rejected() {
    let world = World::new().await;
    for header in [
        r#"{"alg":"EdDSA","alg":"EdDSA","kid":"k1","typ":"at+jwt"}"#,
        r#"{"alg":"EdDSA","kid":"k2","\u006bid":"k1","typ":"at+jwt"}"#,
    ] {
        assert_eq!(world.refusal(&sign_raw(&world.key, header, &good_claims())).await, DUPLICATE, "{header}");
    }
    let good = header(&json!({})).to_string();
    for member in [format!(r#""aud":"{AUDIENCE}""#), r#""\u0061ud":"x""#.to_owned(), r#""exp":9999999999"#.to_owned()] {
        let payload = good_claims().replacen('{', &format!("{{{member},"), 1);
        assert_eq!(world.refusal(&sign_raw(&world.key, &good, &payload)).await, DUPLICATE, "{member}");
    }
}

#[tokio::test]
async fn h116_json_serialisations_are_rejected() {
    let world = World::new().await;
    let token = world.token(&json!({}));
    let parts: Vec<&str> = token.split('.').collect();
    let flattened = json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2] }).to_string();
    let general = json!({ "payload": parts[1], "signatures": [{ "protected": parts[0], "signature": parts[2] }] }).to_string();
    for text in [&flattened, &general] {
        assert_eq!(world.refusal(text).await, SHAPE);
        assert_eq!(world.refusal(&format!("{text}.{}.{}", parts[1], parts[2])).await, BASE64);
    }
}

#[tokio::test]
async fn h116_anything_but_three_strict_parts_is_rejected() {
    let world = World::new().await;
    let token = world.token(&json!({}));
    for (text, code) in [
        (String::new(), SHAPE),
        ("x".to_owned(), SHAPE),
        (format!("{token}."), SHAPE),
        (format!(".{token}"), SHAPE),
        (format!("{token}.a.b"), SHAPE),
        (".".repeat(10_000), SHAPE),
        ("..".to_owned(), JSON),
        (format!("{token}="), BASE64),
        (format!("{token}\n"), BASE64),
        (format!("{token} "), BASE64),
        (format!(" {token}"), BASE64),
        (token.replacen('.', "=.", 1), BASE64),
        (format!("\"{token}\""), BASE64),
    ] {
        assert_eq!(world.refusal(&text).await, code, "{text:.60}");
    }
    // The last character of a 64-byte signature carries four unused bits.
    let flipped = format!("{}{}", &token[..token.len() - 1], if token.ends_with('A') { 'B' } else { 'A' });
    assert_ne!(flipped, token);
    assert!([BASE64, BAD_SIGNATURE].contains(&world.refusal(&flipped).await));
}

#[tokio::test]
async fn h117_an_over_long_token_is_rejected_unread() {
    let world = World::new().await;
    let at_most = world.token(&json!({ "pad": "x".repeat(11_500) }));
    assert!(at_most.len() > 15_000 && at_most.len() <= 16 * 1024);
    world.verify(&at_most).await.unwrap();
    for text in [world.token(&json!({ "pad": "x".repeat(12_500) })), "x".repeat(16 * 1024 + 1), ".".repeat(1_000_000)] {
        assert_eq!(world.refusal(&text).await, ("CS-1004", 401));
    }
}

#[tokio::test]
async fn h124_a_jwt_made_for_another_use_is_rejected() {
    let world = World::new().await;
    let others = [
        "JWT",
        "jwt",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "client-authentication+jwt",
        "statuslist+jwt",
        "token-introspection+jwt",
        "at+jwt2",
        "xat+jwt",
        "at+jwt ",
        "application/",
        "application/application/at+jwt",
        "",
    ];
    for typ in others {
        assert_eq!(world.refusal(&signed(&world, &header(&json!({ "typ": typ })))).await, TYPE, "{typ}");
    }
    let without = sign_raw(&world.key, r#"{"alg":"EdDSA","kid":"k1"}"#, &good_claims());
    assert_eq!(world.refusal(&without).await, TYPE);
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        world.verify(&signed(&world, &header(&json!({ "typ": typ })))).await.unwrap_or_else(|denied| panic!("{typ}: {denied}"));
    }
}

#[tokio::test]
async fn h124_accepting_untyped_tokens_accepts_no_other_type() {
    let world = World::with(|builder| builder.accept_untyped_tokens()).await;
    let bare = claims(&json!({ "client_id": null, "sub": null, "jti": null, "iat": null, "cid": "0oa1" })).to_string();
    for header in [r#"{"alg":"EdDSA","kid":"k1"}"#, r#"{"alg":"EdDSA","kid":"k1","typ":"JWT"}"#] {
        let verified = world.verify(&sign_raw(&world.key, header, &bare)).await.unwrap();
        assert_eq!(verified.client_id(), Some("0oa1"));
    }
    for typ in ["logout+jwt", "secevent+jwt", "dpop+jwt", ""] {
        assert_eq!(world.refusal(&signed(&world, &header(&json!({ "typ": typ })))).await, TYPE, "{typ}");
    }
    // What calls itself an access token still has to be a whole one.
    let token = sign_raw(&world.key, &header(&json!({})).to_string(), &bare);
    assert_eq!(world.refusal(&token).await, ("CS-1202", 401));
}

#[tokio::test]
async fn h127_an_encrypted_token_is_rejected() {
    let world = World::new().await;
    for header in [
        r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483648}"#,
        r#"{"alg":"dir","enc":"A256GCM","zip":"DEF"}"#,
        r#"{"alg":"RSA1_5","enc":"A128CBC-HS256","kid":"k1"}"#,
    ] {
        let encoded = base64url::encode(header.as_bytes());
        assert_eq!(world.refusal(&format!("{encoded}.AAAA.AAAA.AAAA.AAAA")).await, SHAPE, "{header}");
        // With the parts of a signed token it is one of an algorithm that there is not.
        assert_eq!(world.refusal(&forged(header, "AAAA")).await, ALGORITHM, "{header}");
    }
    assert_eq!(world.issuer.fetches(), 1);
}

#[tokio::test]
async fn h128_a_payload_that_is_no_strict_object_is_rejected() {
    let world = World::new().await;
    let good = header(&json!({})).to_string();
    let deep = format!("{}1{}", r#"{"a":"#.repeat(2_000), "}".repeat(2_000));
    for payload in ["", "null", "[]", "{} {}", r#"{"a":NaN}"#, "\u{feff}{}", r#"{"a":"\ud800"}"#, &deep] {
        assert_eq!(world.refusal(&sign_raw(&world.key, &good, payload)).await, JSON, "{payload:.40}");
    }
    assert_eq!(world.refusal(&sign_raw(&world.key, &good, "{}")).await, ("CS-1202", 401));
    let input = format!("{}.{}", base64url::encode(good.as_bytes()), base64url::encode(b"{\"a\":\"\xff\"}"));
    let not_utf8 = format!("{input}.{}", base64url::encode(&world.key.sign(input.as_bytes()).unwrap()));
    assert_eq!(world.refusal(&not_utf8).await, JSON);
    // A hundred thousand levels or members do not fit into a token.
    let members: Vec<String> = (0..100_000).map(|number| format!("\"m{number}\":0")).collect();
    for payload in [format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000)), format!("{{{}}}", members.join(","))] {
        assert_eq!(world.refusal(&sign_raw(&world.key, &good, &payload)).await, ("CS-1004", 401));
    }
}

#[tokio::test]
async fn h129_an_expired_token_with_a_bad_signature_says_nothing_of_its_claims() {
    let world = World::new().await;
    let token = token_of(&new_key(Algorithm::EdDSA), "k1", &json!({ "exp": NOW - 600, "aud": "https://other.test" }));
    assert_eq!(world.refusal(&token).await, BAD_SIGNATURE);
}

#[tokio::test]
async fn a_remembered_token_does_not_lend_its_verdict_to_a_changed_one() {
    let world = World::new().await;
    let token = world.token(&json!({}));
    world.verify(&token).await.unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let payload = base64url::encode(claims(&json!({ "scope": "admin" })).to_string().as_bytes());
    assert_eq!(world.refusal(&format!("{header}.{payload}.{signature}")).await, BAD_SIGNATURE);
}
