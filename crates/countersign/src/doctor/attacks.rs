//! Tokens that nobody needs the issuer's private key for: an API that believes one of
//! them is open.

use countersign_protocol::jose::json::strict_object;
use countersign_protocol::jose::{Algorithm, JwkSet, base64url};
use countersign_protocol::{Issuer, Timestamp};
use countersign_verify::testing::{TestIssuer, every_bad_token, forged_with_public_keys};
use serde_json::{Map, Value, json};

/// Longest token that is sent: servers refuse longer heads before they look at them.
const MAX_BYTES: usize = 6 * 1024;

/// Most published keys that are tried as secrets: an issuer chooses how many it has.
const MAX_KEYS: usize = 8;
/// Most attacks in all.
const MAX_ATTACKS: usize = 300;

/// A token, and the name of the attack.
#[derive(Clone, Debug)]
pub(super) struct Attack {
    pub(super) name: String,
    pub(super) token: String,
}

/// What a token of the API says, as far as it is known.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// None where neither a token nor metadata says it.
    pub(super) audience: Option<String>,
    pub(super) scope: String,
    pub(super) client_id: String,
}

impl Known {
    /// From a good token; what it does not say, from the API's metadata.
    pub(super) fn of(token: Option<&str>, resource: Option<String>) -> Self {
        let claims = token.and_then(claims_of).unwrap_or_default();
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let first = || claims.get("aud")?.as_array()?.iter().find_map(Value::as_str).map(str::to_owned);
        Self {
            audience: text("aud").or_else(first).or(resource),
            scope: text("scope").unwrap_or_default(),
            client_id: text("client_id").unwrap_or_else(|| "countersign-doctor".to_owned()),
        }
    }
}

/// What is thrown at an API.
pub(super) struct Attacks {
    pub(super) attacks: Vec<Attack>,
    /// What every one of them rests on and nobody said: an API may refuse them for that.
    pub(super) guessed: Vec<&'static str>,
}

/// Every attack that fits into a header. All of them name `issuer` and one of its keys;
/// none is signed by it. Where no audience is known it is `url`.
pub(super) fn attacks(
    issuer: &Issuer,
    url: &str,
    keys: Option<&[u8]>,
    known: &Known,
    good: Option<&str>,
    now: Timestamp,
) -> Attacks {
    let set = keys.and_then(|document| JwkSet::parse(document).ok()).unwrap_or_default();
    let published = set.iter().min_by_key(|(id, _)| *id).map(|(id, key)| (id.to_owned(), key.algorithm()));
    let unknown = [("audience", known.audience.is_none()), ("key", published.is_none())];
    let guessed = unknown.into_iter().filter_map(|(name, is_guessed)| is_guessed.then_some(name)).collect();
    let (key_id, algorithm) = published.unwrap_or_else(|| ("1".to_owned(), Algorithm::RS256));
    let forger = TestIssuer::named(issuer.as_str()).at(now).with_key(algorithm);
    let token = forger.token(known.audience.as_deref().unwrap_or(url)).client(&known.client_id).scope(&known.scope);
    let token = token.algorithm(algorithm).header("kid", key_id);
    let forged = every_bad_token(&token).into_iter().chain(forged_with_public_keys(&token, &usable(keys)));
    let attacks = good.into_iter().flat_map(altered).chain(
        forged
            .filter(|bad| bad.fits_in_header() && !bad.token().contains(' ') && bad.token().len() <= MAX_BYTES)
            .map(|bad| Attack { name: bad.name().to_owned(), token: bad.token().to_owned() }),
    );
    Attacks { attacks: attacks.take(MAX_ATTACKS).collect(), guessed }
}

/// The published keys that a verifier could use, the first few.
fn usable(keys: Option<&[u8]>) -> Vec<Value> {
    let documents = keys
        .and_then(|document| strict_object(document).ok())
        .and_then(|mut members| members.remove("keys"))
        .and_then(|keys| keys.as_array().cloned())
        .unwrap_or_default();
    let is_usable = |key: &Value| JwkSet::parse(json!({ "keys": [key] }).to_string().as_bytes()).is_ok();
    documents.into_iter().filter(|key| key.is_object() && is_usable(key)).take(MAX_KEYS).collect()
}

/// A good token with something changed.
fn altered(good: &str) -> Vec<Attack> {
    let parts: Vec<&str> = good.split('.').collect();
    let (&[header, payload, signature], Some(mut claims)) = (parts.as_slice(), claims_of(good)) else { return Vec::new() };
    claims.insert("scope".to_owned(), "admin".into());
    let raised = base64url::encode(Value::Object(claims).to_string().as_bytes());
    let turned = format!("{}{}", if signature.starts_with('A') { "B" } else { "A" }, signature.get(1..).unwrap_or_default());
    vec![
        Attack { name: "good_token_with_other_claims".to_owned(), token: format!("{header}.{raised}.{signature}") },
        Attack { name: "good_token_with_another_signature".to_owned(), token: format!("{header}.{payload}.{turned}") },
        Attack { name: "good_token_without_signature".to_owned(), token: format!("{header}.{payload}.") },
    ]
}

fn claims_of(token: &str) -> Option<Map<String, Value>> {
    strict_object(&base64url::decode(token.split('.').nth(1)?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer() -> TestIssuer {
        TestIssuer::named("https://issuer.test").at(Timestamp::from_seconds(1_800_000_000))
    }

    fn thrown(keys: Option<&[u8]>, known: &Known, good: Option<&str>) -> Attacks {
        let issuer = issuer();
        attacks(issuer.issuer(), "https://api.test/path", keys, known, good, Timestamp::from_seconds(1_800_000_000))
    }

    #[test]
    fn the_audience_is_that_of_the_token_else_that_of_the_metadata_and_never_silently_guessed() {
        let one = issuer().token("https://one.test").sign();
        let several = issuer().token("x").audience(json!([5, "https://first.test", "https://second.test"])).sign();
        let resource = || Some("https://resource.test".to_owned());
        for (token, resource, expected) in [
            (Some(&one), resource(), Some("https://one.test")),
            (Some(&several), resource(), Some("https://first.test")),
            (None, resource(), Some("https://resource.test")),
            (None, None, None),
        ] {
            assert_eq!(Known::of(token.map(String::as_str), resource).audience.as_deref(), expected);
        }
        let keys = issuer().jwk_set();
        assert_eq!(thrown(Some(keys.as_bytes()), &Known::of(None, resource()), None).guessed, [""; 0]);
        assert_eq!(thrown(None, &Known::of(None, None), None).guessed, ["audience", "key"]);
    }

    #[test]
    fn an_issuer_with_a_thousand_keys_gets_no_more_attacks_than_one_with_eight() {
        let own: Value = serde_json::from_str(&issuer().jwk_set()).unwrap();
        let named = |number: usize| {
            let mut key = own["keys"][0].clone();
            key["kid"] = format!("k{number}").into();
            key
        };
        let set = |keys: Vec<Value>| json!({ "keys": keys }).to_string();
        let good = issuer().token("https://api.test").sign();
        let count = |keys: Vec<Value>| {
            let document = set(keys);
            thrown(Some(document.as_bytes()), &Known::of(Some(&good), None), Some(&good)).attacks
        };
        let few = count((0..8).map(named).collect()).len();
        let junk = [json!(1), json!("k"), json!({}), json!({ "kty": "RSA" })];
        let many = count(junk.into_iter().chain((0..1_000).map(named)).collect());
        assert!(many.len() <= few, "{}", many.len());
        assert!(few <= MAX_ATTACKS && many.iter().any(|attack| attack.name == "good_token_without_signature"));
    }
}
