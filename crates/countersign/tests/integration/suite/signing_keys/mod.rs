//! The life of signing keys.

use countersign::ids::SigningKeyId;

use super::ENGINE;
use crate::support::TestApp;

mod algorithms;
mod emergency;
mod held_elsewhere;
mod manual;
mod master_key;
mod schedule;

const KEYS: &str = "/.well-known/jwks.json";

/// The keys in a state.
async fn kids(app: &TestApp, state: &str) -> Vec<String> {
    app.database.texts(&format!("SELECT id FROM signing_keys WHERE state = '{state}' ORDER BY id")).await
}

/// The only key in a state.
async fn kid(app: &TestApp, state: &str) -> SigningKeyId {
    let kids = kids(app, state).await;
    let [kid] = kids.as_slice() else { panic!("{state}: {kids:?}") };
    SigningKeyId::from_stored(kid)
}

/// The `kid`s of the JWK Set of `default`.
async fn published_kids(app: &TestApp) -> Vec<String> {
    let document: serde_json::Value = serde_json::from_slice(&app.key_set(KEYS).await).unwrap();
    document["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}
