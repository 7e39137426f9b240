//! Which key signs.

use countersign_protocol::jose::Algorithm;
use serde_json::Value;

use super::ENGINE;
use crate::support::{TestApp, api};

#[tokio::test]
async fn a_resource_server_may_choose_another_algorithm_than_its_authorization_server() {
    let app = TestApp::start(ENGINE).await;
    app.authorization_server("default", Algorithm::RS256, None).await;
    let client = app.client("client-a").await;
    let choices = [None, Some(Algorithm::EdDSA), Some(Algorithm::ES256), Some(Algorithm::PS256), Some(Algorithm::RS256)];
    for (number, chosen) in choices.into_iter().enumerate() {
        let mut new = api(&format!("https://alg{number}.test"), "s");
        new.signing_alg = chosen;
        let resource_server = app.resource_server(new).await;
        app.grant(&client, &resource_server, "s").await;
    }
    let keys = app.key_set("/.well-known/jwks.json").await;
    for (number, chosen) in choices.into_iter().enumerate() {
        let token = app.ask(&client, &format!("audience=https://alg{number}.test")).await.token();
        assert_eq!(token.alg(), chosen.unwrap_or(Algorithm::RS256).as_str());
        assert!(token.verifies_with(&keys));
        assert!(token.verifies_with(&app.key_set("/oauth2/default/v1/keys").await));
    }
    // RSA first: some verifiers stop at a key of another type. Two keys of each.
    let keys: Value = serde_json::from_slice(&keys).unwrap();
    let algs: Vec<&str> = keys["keys"].as_array().unwrap().iter().map(|key| key["alg"].as_str().unwrap()).collect();
    assert_eq!(algs, ["RS256", "RS256", "PS256", "PS256", "ES256", "ES256", "EdDSA", "EdDSA"]);
    let metadata = app.get("/.well-known/openid-configuration").send().await.json();
    assert_eq!(metadata["id_token_signing_alg_values_supported"], serde_json::json!(["RS256", "PS256", "ES256", "EdDSA"]));
}

#[tokio::test]
async fn an_rs256_authorization_server_publishes_rsa_keys_only() {
    let app = TestApp::start(ENGINE).await;
    app.authorization_server("default", Algorithm::RS256, None).await;
    let keys: Value = serde_json::from_slice(&app.key_set("/.well-known/jwks.json").await).unwrap();
    let types: Vec<&Value> = keys["keys"].as_array().unwrap().iter().map(|key| &key["kty"]).collect();
    assert_eq!(types, ["RSA", "RSA"]);
}
