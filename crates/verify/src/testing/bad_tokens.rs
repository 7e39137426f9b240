//! Tokens that were made to be accepted where they should not be.

use countersign_protocol::Check;
use countersign_protocol::jose::{Algorithm, SigningKey, base64url};
use serde_json::{Value, json};

use super::TokenBuilder;
use super::forgery::{hmac_sha256, public_key_texts};
use super::issuer::{key_id, new_key};

/// A token that no verifier may accept.
#[derive(Clone, Debug)]
pub struct BadToken {
    name: String,
    token: String,
    checks: Vec<Check>,
}

impl BadToken {
    fn new(name: impl Into<String>, checks: &[Check], token: impl Into<String>) -> Self {
        Self { name: name.into(), token: token.into(), checks: checks.to_vec() }
    }

    /// The name of the attack.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Every check that refuses it: a verifier without all of these accepts it, and
    /// any one of them is enough to refuse it. Nearly always it is one.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Whether an API gets it as it is when an HTTP client sends it in a header: without
    /// line breaks, without characters beyond ASCII, and without a space at an end,
    /// which is not part of the header's value (RFC 9110 section 5.5).
    pub fn fits_in_header(&self) -> bool {
        self.token.bytes().all(|byte| matches!(byte, b' '..=b'~')) && self.token.trim_ascii() == self.token
    }
}

/// Attacks on an API that takes `good`. Each token is `good` but for what its name
/// says, so that it is refused for that and nothing else: `good` must be a token
/// that the route under test accepts, with the scopes it asks for.
///
/// Over HTTP the right answer is 401, or 403 where the check is [`Check::Scope`],
/// or 400 or 431 from a server that does not let the header through.
pub fn every_bad_token(good: &TokenBuilder<'_>) -> Vec<BadToken> {
    let mut tokens = algorithms(good);
    tokens.extend(signatures(good));
    tokens.extend(keys(good));
    tokens.extend(headers(good));
    tokens.extend(shapes(good));
    tokens.extend(encodings(good));
    tokens.extend(documents(good));
    tokens.extend(issuers_and_audiences(good));
    tokens.extend(times(good));
    tokens.extend(missing_claims(good));
    tokens.extend(scopes(good));
    tokens
}

/// A token with another third part.
fn with_signature(token: &str, signature: &[u8]) -> String {
    let (input, _) = token.rsplit_once('.').expect("a token has three parts");
    format!("{input}.{}", base64url::encode(signature))
}

fn signature_of(token: &str) -> Vec<u8> {
    let (_, signature) = token.rsplit_once('.').expect("a token has three parts");
    base64url::decode(signature).expect("it was just encoded")
}

/// `alg` says that there is nothing to check, or something that an attacker can do.
fn algorithms(good: &TokenBuilder<'_>) -> Vec<BadToken> {
    let mut tokens = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let labelled = good.clone().header("alg", alg);
        let unsigned = with_signature(&labelled.sign(), &[]);
        tokens.push(BadToken::new(format!("alg_{alg:?}_without_signature"), &[Check::Algorithm, Check::Signature], unsigned));
        tokens.push(BadToken::new(format!("alg_{alg:?}_with_signature"), &[Check::Algorithm], labelled.sign()));
    }
    for (name, alg) in [("alg_null", Value::Null), ("alg_is_a_list", json!(["none"]))] {
        tokens.push(BadToken::new(name, &[Check::Algorithm], good.clone().header("alg", alg).sign()));
    }
    tokens.push(BadToken::new("alg_missing", &[Check::Algorithm], good.clone().without_header("alg").sign()));
    let own = good.issuer().key(good.signed_with()).public_jwk(key_id(good.signed_with()));
    tokens.extend(forged_with(good, &serde_json::to_value(own).expect("a JWK is JSON")));
    let other = Algorithm::ALL.into_iter().find(|other| other.key_type() != good.signed_with().key_type());
    for (name, alg) in [("relabelled_for_another_key_type", other), ("relabelled_for_another_hash", sibling(good.signed_with()))] {
        let Some(alg) = alg else { continue };
        tokens.push(BadToken::new(name, &[Check::AlgorithmOfKey], good.clone().header("alg", alg.as_str()).sign()));
    }
    tokens
}

/// A public key taken for the secret of an HMAC.
fn forged_with(good: &TokenBuilder<'_>, jwk: &Value) -> Vec<BadToken> {
    let token = good.clone().header("alg", "HS256").sign();
    let (input, _) = token.rsplit_once('.').expect("a token has three parts");
    let forged = |(name, secret): (&'static str, Vec<u8>)| {
        let forged = with_signature(&token, &hmac_sha256(&secret, input));
        BadToken::new(name, &[Check::Algorithm, Check::Signature], forged)
    };
    public_key_texts(jwk).into_iter().map(forged).collect()
}

/// Tokens like `good` under an HMAC whose secret is one of the public keys that an issuer
/// publishes (`keys`, each a JWK): attacks on an API that takes the tokens of an issuer
/// whose private keys are not at hand.
pub fn forged_with_public_keys(good: &TokenBuilder<'_>, keys: &[Value]) -> Vec<BadToken> {
    let of_key = |jwk: &Value| {
        let named = match jwk.get("kid").and_then(Value::as_str) {
            Some(key_id) => good.clone().header("kid", key_id),
            None => good.clone().without_header("kid"),
        };
        forged_with(&named, jwk)
    };
    keys.iter().flat_map(of_key).collect()
}

/// An algorithm of the same family.
fn sibling(algorithm: Algorithm) -> Option<Algorithm> {
    let family = |algorithm: Algorithm| algorithm.as_str().get(..1);
    Algorithm::ALL
        .into_iter()
        .find(|other| *other != algorithm && family(*other) == family(algorithm) && *other != Algorithm::EdDSA)
}

fn signatures(good: &TokenBuilder<'_>) -> Vec<BadToken> {
    let token = good.sign();
    let signature = signature_of(&token);
    let mut flipped = signature.clone();
    if let Some(byte) = flipped.first_mut() {
        *byte ^= 1;
    }
    let raised = good.clone().claim("admin", true);
    let raised = format!("{}.{}", raised.claims_text(), "");
    let payload = base64url::encode(raised.trim_end_matches('.').as_bytes());
    let header = base64url::encode(good.header_text().as_bytes());
    let mut forged = vec![
        ("signature_empty", with_signature(&token, &[])),
        ("signature_with_a_flipped_bit", with_signature(&token, &flipped)),
        ("signature_cut_short", with_signature(&token, signature.get(1..).unwrap_or_default())),
        ("signature_with_another_byte", with_signature(&token, &[signature.as_slice(), &[0]].concat())),
        ("signature_all_zero", with_signature(&token, &vec![0; signature.len()])),
        ("claims_changed_after_signing", format!("{header}.{payload}.{}", base64url::encode(&signature))),
    ];
    if good.signed_with() == Algorithm::ES256 {
        let (r, s) = signature.split_at(signature.len() / 2);
        forged.push(("ecdsa_signature_as_der", with_signature(&token, &der_signature(r, s))));
        forged.push(("ecdsa_signature_with_r_zero", with_signature(&token, &[&[0; 32][..], s].concat())));
    }
    forged.into_iter().map(|(name, token)| BadToken::new(name, &[Check::Signature], token)).collect()
}

/// An ECDSA signature as X.509 has it; JWS has it otherwise (RFC 7518 section 3.4).
fn der_signature(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let pad: &[u8] = if number.first().is_some_and(|byte| *byte >= 0x80) { &[0] } else { &[] };
        [&[2, u8::try_from(number.len() + pad.len()).unwrap_or(u8::MAX)][..], pad, number].concat()
    };
    let both = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(both.len()).unwrap_or(u8::MAX)][..], &both].concat()
}

/// The attacker brings a key, or asks for one.
fn keys(good: &TokenBuilder<'_>) -> Vec<BadToken> {
    let stranger = new_key(good.signed_with());
    let jwk = serde_json::to_value(stranger.public_jwk(key_id(good.signed_with()))).expect("a JWK is JSON");
    let by_stranger = |token: &TokenBuilder<'_>| signed_by(&stranger, &token.sign());
    let mut tokens = vec![BadToken::new("key_of_another_issuer", &[Check::Signature], by_stranger(good))];
    for (name, member, value) in [
        ("embedded_jwk", "jwk", jwk),
        ("key_url_jku", "jku", "https://attacker.test/keys".into()),
        ("certificate_url_x5u", "x5u", "https://attacker.test/certificate".into()),
        ("embedded_certificate_x5c", "x5c", json!(["MIIB"])),
    ] {
        tokens.push(BadToken::new(name, &[Check::Signature], by_stranger(&good.clone().header(member, value))));
    }
    for (name, kid) in [
        ("kid_unknown", "no-such-key"),
        ("kid_traversal", "../../../../dev/null"),
        ("kid_sql", "' UNION SELECT 'x"),
        ("kid_command", "|/usr/bin/id"),
        ("kid_url", "https://attacker.test/keys"),
        ("kid_nul", "ES256\0"),
        ("kid_empty", ""),
    ] {
        tokens.push(BadToken::new(name, &[Check::KeyId], good.clone().header("kid", kid).sign()));
    }
    tokens.push(BadToken::new("kid_missing", &[Check::KeyId], good.clone().without_header("kid").sign()));
    let null = good.clone().header("kid", Value::Null).sign();
    tokens.push(BadToken::new("kid_null", &[Check::HeaderMember, Check::KeyId], null));
    let list = good.clone().header("kid", json!([key_id(good.signed_with())])).sign();
    tokens.push(BadToken::new("kid_is_a_list", &[Check::HeaderMember], list));
    tokens
}

/// The same token, signed by another key.
fn signed_by(key: &SigningKey, token: &str) -> String {
    let (input, _) = token.rsplit_once('.').expect("a token has three parts");
    with_signature(token, &key.sign(input.as_bytes()).expect("a key signs"))
}

fn headers(good: &TokenBuilder<'_>) -> Vec<BadToken> {
    let mut tokens = Vec::new();
    for (name, crit) in [
        ("crit_unknown", json!(["unheard-of"])),
        ("crit_empty", json!([])),
        ("crit_names_alg", json!(["alg"])),
        ("crit_is_a_string", json!("exp")),
    ] {
        tokens.push(BadToken::new(name, &[Check::CriticalExtension], good.clone().header("crit", crit).sign()));
    }
    let detached = good.clone().header("b64", false).header("crit", json!(["b64"]));
    tokens.push(BadToken::new("b64_false", &[Check::CriticalExtension], detached.sign()));
    tokens.push(BadToken::new("b64_without_crit", &[Check::CriticalExtension], good.clone().header("b64", false).sign()));
    for (name, typ) in [
        ("typ_jwt", "JWT"),
        ("typ_logout_token", "logout+jwt"),
        ("typ_security_event", "secevent+jwt"),
        ("typ_dpop_proof", "dpop+jwt"),
        ("typ_client_assertion", "client-authentication+jwt"),
        ("typ_longer", "at+jwt2"),
        ("typ_empty", ""),
    ] {
        tokens.push(BadToken::new(name, &[Check::Type], good.clone().header("typ", typ).sign()));
    }
    tokens.push(BadToken::new("typ_missing", &[Check::Type], good.clone().without_header("typ").sign()));
    let list = good.clone().header("typ", json!(["at+jwt"])).sign();
    tokens.push(BadToken::new("typ_is_a_list", &[Check::HeaderMember], list));
    let id_token = good.clone().header("typ", "JWT").audience("test-client").claim("nonce", "n").sign();
    tokens.push(BadToken::new("id_token", &[Check::Type, Check::Audience], id_token));
    tokens
}

fn shapes(good: &TokenBuilder<'_>) -> Vec<BadToken> {
    let token = good.sign();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else { unreachable!("a token has three parts") };
    let flattened = json!({ "protected": header, "payload": payload, "signature": signature }).to_string();
    let general = json!({ "payload": payload, "signatures": [{ "protected": header, "signature": signature }] }).to_string();
    let encrypted = good.clone().header("alg", "RSA-OAEP").header("enc", "A256GCM").sign();
    let bomb = good.clone().header("alg", "PBES2-HS256+A128KW").header("enc", "A128GCM").header("p2c", 2_147_483_647).sign();
    let large = good.clone().claim("pad", "x".repeat(16 * 1024)).sign();
    let both = &[Check::Compact, Check::Algorithm];
    vec![
        BadToken::new("json_serialisation_flattened", &[Check::Compact], flattened.clone()),
        BadToken::new("json_serialisation_general", &[Check::Compact], general),
        BadToken::new("fourth_part_empty", &[Check::Compact], format!("{token}.")),
        BadToken::new("five_parts", &[Check::Compact], format!("{token}.AAAA.AAAA")),
        BadToken::new("compact_form_and_json_in_one", &[Check::Compact], format!("{token}.{flattened}")),
        BadToken::new("encrypted_token", both, format!("{encrypted}.AAAA.AAAA")),
        BadToken::new("encrypted_token_with_costly_key", both, format!("{bomb}.AAAA.AAAA")),
        BadToken::new("million_dots", &[Check::Size, Check::Compact], format!("{token}{}", ".".repeat(1_000_000))),
        BadToken::new("larger_than_16_kib", &[Check::Size], large),
    ]
}

fn encodings(good: &TokenBuilder<'_>) -> Vec<BadToken> {
    let token = good.sign();
    let (header, claims) = (good.header_text(), good.claims_text());
    let (header, claims) = (base64url::encode(header.as_bytes()), base64url::encode(claims.as_bytes()));
    vec![
        ("padding_at_the_end", format!("{token}==")),
        ("padding_in_the_header", good.sign_parts(&format!("{header}="), &claims)),
        ("padding_in_the_claims", good.sign_parts(&header, &format!("{claims}="))),
        ("space_at_the_end", format!("{token} ")),
        ("line_break_at_the_end", format!("{token}\n")),
        ("line_break_in_the_claims", good.sign_parts(&header, &format!("{claims}\r\n"))),
        ("space_in_the_header", good.sign_parts(&format!(" {header}"), &claims)),
        ("beyond_ascii", format!("{token}\u{e9}")),
        ("nul_at_the_end", format!("{token}\0")),
        ("comma_at_the_end", format!("{token},")),
        ("percent_encoding", format!("{token}%")),
        ("standard_alphabet", in_standard_alphabet(good)),
    ]
    .into_iter()
    .chain(with_unused_bits(good).map(|token| ("unused_bits", token)))
    .map(|(name, token)| BadToken::new(name, &[Check::Base64Url], token))
    .collect()
}

/// Another spelling of the same signature: bits of the last character that mean nothing.
/// None where every bit means something: with ES384 and ES512.
fn with_unused_bits(good: &TokenBuilder<'_>) -> Option<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut token = good.sign();
    if signature_of(&token).len().is_multiple_of(3) {
        return None;
    }
    // The bits that mean nothing are zeros: the next character differs in them alone.
    let last = token.pop().and_then(|last| ALPHABET.iter().position(|own| char::from(*own) == last))?;
    token.push(char::from(*ALPHABET.get(last + 1)?));
    Some(token)
}

/// The alphabet of RFC 4648 section 4, where it differs.
fn in_standard_alphabet(good: &TokenBuilder<'_>) -> String {
    let header = base64url::encode(good.header_text().as_bytes());
    // Six bits of ones somewhere.
    let claims = base64url::encode(good.clone().claim("pad", "???>>>???").claims_text().as_bytes());
    let standard = claims.replace('-', "+").replace('_', "/");
    assert_ne!(standard, claims, "the claims have no character in which the alphabets differ");
    good.sign_parts(&header, &standard)
}

fn documents(good: &TokenBuilder<'_>) -> Vec<BadToken> {
    let (header, claims) = (good.header_text(), good.claims_text());
    let twice = |text: &str, member: &str| text.replacen('{', &format!("{{{member},"), 1);
    let mut tokens = vec![
        BadToken::new("byte_order_mark", &[Check::Json], good.sign_texts(&header, &format!("\u{feff}{claims}"))),
        BadToken::new("two_documents", &[Check::Json], good.sign_texts(&header, &format!("{claims}{{}}"))),
        BadToken::new("two_headers", &[Check::Json], good.sign_texts(&format!("{header}{{}}"), &claims)),
    ];
    for (name, member) in [
        ("aud_twice", r#""aud":"https://other.test""#),
        ("exp_twice", r#""exp":1"#),
        ("iss_twice_by_escape", r#""\u0069ss":"https://other.test""#),
        ("member_twice_deep_down", r#""deep":{"a":1,"a":2}"#),
    ] {
        tokens.push(BadToken::new(name, &[Check::DuplicateMember], good.sign_texts(&header, &twice(&claims, member))));
    }
    let alg_twice = good.sign_texts(&twice(&header, r#""alg":"none""#), &claims);
    tokens.push(BadToken::new("alg_twice", &[Check::DuplicateMember], alg_twice));
    tokens
}

fn issuers_and_audiences(good: &TokenBuilder<'_>) -> Vec<BadToken> {
    let issuer = good.issuer().issuer().as_str();
    let audience = match good.value("aud") {
        Some(Value::String(audience)) => audience.clone(),
        _ => "https://api.test".to_owned(),
    };
    let mut tokens = Vec::new();
    for (name, iss) in [
        ("foreign_issuer", "https://other.test".to_owned()),
        ("issuer_with_another_slash", format!("{issuer}/")),
        ("issuer_in_capitals", issuer.to_ascii_uppercase()),
        ("issuer_that_goes_on", format!("{issuer}.attacker.test")),
        ("issuer_empty", String::new()),
    ] {
        tokens.push(BadToken::new(name, &[Check::Issuer], good.clone().claim("iss", iss).sign()));
    }
    let no_issuer = &[Check::ClaimType, Check::Issuer];
    tokens.push(BadToken::new("issuer_missing", no_issuer, good.clone().without("iss").sign()));
    tokens.push(BadToken::new("issuer_is_a_list", no_issuer, good.clone().claim("iss", json!([issuer])).sign()));
    for (name, aud) in [
        ("audience_other", json!("https://other.test")),
        ("audience_empty", json!("")),
        ("audience_empty_list", json!([])),
        ("audience_list_of_others", json!(["https://other.test", ""])),
        ("audience_with_another_slash", json!(format!("{audience}/"))),
        ("audience_in_capitals", json!(audience.to_ascii_uppercase())),
        ("audience_that_goes_on", json!(format!("{audience}.attacker.test"))),
        ("audience_cut_short", json!(audience.get(1..).unwrap_or_default())),
        ("audience_among_words", json!(format!("{audience} https://other.test"))),
    ] {
        tokens.push(BadToken::new(name, &[Check::Audience], good.clone().audience(aud).sign()));
    }
    let no_audience = &[Check::ClaimType, Check::Audience];
    tokens.push(BadToken::new("audience_missing", no_audience, good.clone().without("aud").sign()));
    tokens.push(BadToken::new("audience_is_a_number", no_audience, good.clone().audience(5).sign()));
    tokens.push(BadToken::new("audience_is_an_object", no_audience, good.clone().audience(json!({ &audience: true })).sign()));
    let mixed = good.clone().audience(json!([audience, 5])).sign();
    tokens.push(BadToken::new("audience_list_with_a_number", &[Check::ClaimType], mixed));
    tokens
}

fn times(good: &TokenBuilder<'_>) -> Vec<BadToken> {
    let now = good.issuer().now().as_seconds();
    let day = 86_400;
    let mut tokens = vec![
        BadToken::new("expired", &[Check::Expiry], good.clone().expires_in(-day).sign()),
        BadToken::new("expired_in_1970", &[Check::Expiry], good.clone().claim("exp", 0).sign()),
        BadToken::new("exp_missing", &[Check::ExpiryPresent], good.clone().without("exp").sign()),
        BadToken::new("nbf_ahead", &[Check::NotBefore], good.clone().claim("nbf", now + day).sign()),
        BadToken::new("iat_ahead", &[Check::IssuedAt], good.clone().claim("iat", now + day).claim("exp", now + 2 * day).sign()),
    ];
    for (name, claim, value) in [
        ("exp_null", "exp", Value::Null),
        ("exp_is_a_string", "exp", json!((now + day).to_string())),
        ("exp_is_a_fraction", "exp", json!(9_999_999_999.5)),
        ("exp_negative", "exp", json!(-1)),
        ("exp_too_large_for_a_number", "exp", json!(1e300)),
        ("exp_too_large_for_an_integer", "exp", json!(u64::MAX)),
        ("exp_is_a_list", "exp", json!([now + day])),
        ("nbf_is_a_string", "nbf", json!("0")),
    ] {
        tokens.push(BadToken::new(name, &[Check::ClaimType], good.clone().claim(claim, value).sign()));
    }
    tokens
}

fn missing_claims(good: &TokenBuilder<'_>) -> Vec<BadToken> {
    let mut tokens: Vec<BadToken> = ["client_id", "sub", "jti", "iat"]
        .into_iter()
        .map(|claim| BadToken::new(format!("{claim}_missing"), &[Check::Complete], good.clone().without(claim).sign()))
        .collect();
    let typed = good.clone().claim("client_id", json!(["test-client"])).sign();
    tokens.push(BadToken::new("client_id_is_a_list", &[Check::ClaimType, Check::Complete], typed));
    for (name, cnf) in [("bound_to_a_dpop_key", json!({ "jkt": "x" })), ("bound_to_a_certificate", json!({ "x5t#S256": "x" }))] {
        tokens.push(BadToken::new(name, &[Check::Possession], good.clone().claim("cnf", cnf).sign()));
    }
    tokens
}

/// Words that look like the scopes of `good`; none if it has none.
fn scopes(good: &TokenBuilder<'_>) -> Vec<BadToken> {
    let Some(Value::String(scope)) = good.value("scope") else { return Vec::new() };
    let around = |before: &str, after: &str| {
        let words: Vec<String> = scope.split(' ').map(|word| format!("{before}{word}{after}")).collect();
        words.join(" ")
    };
    let mut tokens = Vec::new();
    for (name, value) in [
        ("scope_empty", json!("")),
        ("scope_as_part_of_a_longer_word", json!(around("", "2"))),
        ("scope_as_end_of_a_longer_word", json!(around("x", ""))),
        ("scope_in_capitals", json!(scope.to_ascii_uppercase())),
        ("scope_separated_by_commas", json!(format!("x,{scope},x"))),
        ("scope_wildcard", json!("*")),
    ] {
        tokens.push(BadToken::new(name, &[Check::Scope], good.clone().claim("scope", value).sign()));
    }
    tokens.push(BadToken::new("scope_missing", &[Check::Scope], good.clone().without("scope").sign()));
    let mut words: Vec<Value> = scope.split(' ').map(Value::from).collect();
    words.push(json!(5));
    tokens.push(BadToken::new("scope_list_with_a_number", &[Check::ScopeType], good.clone().claim("scope", words).sign()));
    let object = good.clone().claim("scope", json!({ scope: true })).sign();
    tokens.push(BadToken::new("scope_is_an_object", &[Check::ScopeType, Check::Scope], object));
    tokens
}
