//! What a token says; catalogue C, 47 and 50.

use std::collections::HashSet;

use countersign::resource_servers::Profile;
use countersign_protocol::jose::JwkSet;
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{API1, AccessToken, Fixture, Managed, Setup, api};

const NOW: i64 = 1_800_000_000;

/// The claims, without those that differ from token to token.
fn constant_claims(token: &AccessToken) -> Value {
    let mut claims = token.claims.clone();
    let jti = claims.remove("jti").unwrap();
    assert_eq!(jti.as_str().unwrap().len(), 22);
    assert!(claims.remove("cred").unwrap().as_str().unwrap().starts_with("cred_"));
    Value::Object(claims)
}

#[tokio::test]
async fn each_profile_has_exactly_its_claims() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let client = app.client("profiled").await;
    let mut nothing_more = json!({});
    for profile in Profile::ALL {
        let audience = format!("https://{}.test", profile.as_str());
        let mut new = api(&audience, "a b");
        new.profile = profile;
        let resource_server = app.resource_server(new).await;
        app.grant(&client, &resource_server, "a b").await;
        let token = app.ask(&client, &format!("audience={audience}&scope=b+a")).await.token();
        let mut expected = json!({
            "iss": "https://as.test/", "sub": "profiled", "aud": audience, "client_id": "profiled",
            "iat": NOW, "exp": NOW + 600, "scope": "b a",
        });
        let added = match profile {
            Profile::Rfc9068 => nothing_more.take(),
            Profile::Okta => json!({ "ver": 1, "cid": "profiled", "scp": ["b", "a"] }),
            Profile::Auth0 => json!({ "azp": "profiled", "gty": "client-credentials" }),
        };
        expected.as_object_mut().unwrap().extend(added.as_object().cloned().unwrap_or_default());
        assert_eq!(constant_claims(&token), expected);
        assert_eq!(Value::Object(token.header.clone()), json!({ "alg": "ES256", "kid": token.kid(), "typ": "at+jwt" }));
    }
}

#[tokio::test]
async fn a_profile_without_scopes_keeps_its_claims() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let client = app.client("scopeless").await;
    let mut new = api("https://okta.test", "");
    new.profile = Profile::Okta;
    let resource_server = app.resource_server(new).await;
    app.grant(&client, &resource_server, "").await;
    let token = app.ask(&client, "").await.token();
    assert_eq!(token.claims["scp"], json!([]));
    assert_eq!(token.claims.get("scope"), None);
}

#[tokio::test]
async fn c50_tokens_are_rfc_9068_and_verify_with_the_published_keys() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let token = app.ask(&a, "").await.token();
    let keys = app.key_set("/.well-known/jwks.json").await;
    assert!(token.verifies_with(&keys));
    assert!(JwkSet::parse(&keys).unwrap().find(Some(token.kid())).is_some());
    assert_eq!(token.header["typ"], "at+jwt");
    assert_eq!(token.claim("sub"), token.claim("client_id"));
    assert_eq!(token.claims["aud"], json!(API1));
    assert_eq!(token.claims.get("nbf"), None);
    assert_eq!(token.claim("cred"), a.credential_id.as_str());
    assert_eq!((token.time("iat"), token.time("exp")), (NOW, NOW + 600));
}

#[tokio::test]
async fn c50_ten_thousand_tokens_have_ten_thousand_ids() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let mut seen = HashSet::new();
    for _ in 0..10_000 {
        let token = app.ask(&a, "").await.token();
        assert!(seen.insert(token.claim("jti").to_owned()));
    }
}

#[tokio::test]
async fn c47_neither_metadata_nor_parameters_become_claims() {
    let Managed { app, a, operator } = Managed::start(ENGINE).await;
    let ask = async |parameters: &str| constant_claims(&app.ask(&a, &format!("audience={API1}{parameters}")).await.token());
    let before = ask("").await;
    let reserved = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "cred", "cnf", "act", "may_act"];
    let forged: serde_json::Map<String, Value> = reserved.iter().map(|name| ((*name).to_owned(), json!("forged"))).collect();
    operator.patch(&app, "/clients/client-a", json!({ "metadata": forged })).await.success(200);
    assert_eq!(ask("").await, before);
    for name in reserved.iter().filter(|name| !["client_id", "scope"].contains(name)) {
        assert_eq!(ask(&format!("&{name}=forged")).await, before, "{name}");
        let refused = operator.patch(&app, "/clients/client-a", json!({ (*name): "forged" })).await;
        refused.refused_member(&format!("/{name}"));
    }
    let claims: String = url::form_urlencoded::byte_serialize(Value::Object(forged).to_string().as_bytes()).collect();
    assert_eq!(ask(&format!("&claims={claims}&metadata={claims}")).await, before);
}

#[tokio::test]
async fn issued_at_is_the_floored_clock() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for (advance, iat) in [(0, NOW), (249, NOW), (1, NOW + 1), (999, NOW + 1)] {
        app.clock.advance_millis(advance);
        let token = app.ask(&a, "").await.token();
        assert_eq!((token.time("iat"), token.time("exp")), (iat, iat + 600));
    }
}

#[tokio::test]
async fn backdating_moves_iat_and_nothing_else() {
    let setup = Setup { backdate_seconds: 30, ..Setup::default() };
    let Fixture { app, a, .. } = Fixture::start_with(ENGINE, setup).await;
    let answer = app.ask(&a, "").await;
    let token = answer.token();
    assert_eq!((token.time("iat"), token.time("exp")), (NOW - 30, NOW + 600));
    assert_eq!(answer.json()["expires_in"], 600);
    assert_eq!(token.claims.get("nbf"), None);
}
