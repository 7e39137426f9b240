//! Tokens that nobody needs the issuer's private key for: an API that believes one of
//! them is open.

use countersign_protocol::jose::json::strict_object;
use countersign_protocol::jose::{Algorithm, JwkSet, base64url};
use countersign_protocol::{Issuer, Timestamp};
use countersign_verify::testing::{TestIssuer, every_bad_token, forged_with_public_keys};
use serde_json::{Map, Value};

/// Longest token that is sent: servers refuse longer heads before they look at them.
const MAX_BYTES: usize = 6 * 1024;

/// A token, and the name of the attack.
#[derive(Clone, Debug)]
pub(super) struct Attack {
    pub(super) name: String,
    pub(super) token: String,
}

/// What a token of the API says, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) audience: String,
    pub(super) scope: String,
    pub(super) client_id: String,
}

impl Known {
    /// From a good token; what it does not say, from the API's URL.
    pub(super) fn of(token: Option<&str>, url: &str) -> Self {
        let claims = token.and_then(claims_of).unwrap_or_default();
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            audience: text("aud").unwrap_or_else(|| url.to_owned()),
            scope: text("scope").unwrap_or_default(),
            client_id: text("client_id").unwrap_or_else(|| "countersign-doctor".to_owned()),
        }
    }
}

/// Every attack that fits into a header. All of them name `issuer` and one of its keys;
/// none is signed by it.
pub(super) fn attacks(issuer: &Issuer, keys: Option<&[u8]>, known: &Known, good: Option<&str>, now: Timestamp) -> Vec<Attack> {
    let set = keys.and_then(|document| JwkSet::parse(document).ok()).unwrap_or_default();
    let published = set.iter().min_by_key(|(id, _)| *id).map(|(id, key)| (id.to_owned(), key.algorithm()));
    let (key_id, algorithm) = published.unwrap_or_else(|| ("1".to_owned(), Algorithm::RS256));
    let forger = TestIssuer::named(issuer.as_str()).at(now).with_key(algorithm);
    let token =
        forger.token(&known.audience).client(&known.client_id).scope(&known.scope).algorithm(algorithm).header("kid", key_id);
    let documents: Vec<Value> = keys
        .and_then(|document| strict_object(document).ok())
        .and_then(|mut members| members.remove("keys"))
        .and_then(|keys| keys.as_array().cloned())
        .unwrap_or_default();
    let mut attacks: Vec<Attack> = every_bad_token(&token)
        .into_iter()
        .chain(forged_with_public_keys(&token, &documents))
        .filter(|bad| bad.fits_in_header() && !bad.token().contains(' ') && bad.token().len() <= MAX_BYTES)
        .map(|bad| Attack { name: bad.name().to_owned(), token: bad.token().to_owned() })
        .collect();
    attacks.extend(good.into_iter().flat_map(altered));
    attacks
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
