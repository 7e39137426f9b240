//! The two metadata documents; catalogue G, 102 and 108.

use std::collections::HashMap;

use countersign::api_keys::{self, NewApiKey};
use countersign::audit::Actor;
use countersign::clients::{self, KeySource, NewKeys};
use countersign_protocol::jose::Algorithm;
use countersign_protocol::{API_KEY_TOKEN_TYPE, GrantType};
use http::Method;
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{Answer, Fixture, JSON, JWT_BEARER, TestApp, TestClient, TestKey, api, issuer_id};

const ROOT: [&str; 2] = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

/// Every URL of the documents of a server below `/oauth2/`.
fn nested(server: &str) -> [String; 4] {
    let path = format!("/oauth2/{server}");
    [
        format!("{path}/.well-known/openid-configuration"),
        format!("{path}/.well-known/oauth-authorization-server"),
        // RFC 8414 section 3.1.
        format!("/.well-known/openid-configuration{path}"),
        format!("/.well-known/oauth-authorization-server{path}"),
    ]
}

fn expected(issuer: &str, token: &str, keys: &str, alg: &str) -> Value {
    let server = issuer.strip_prefix("https://as.test/oauth2/").unwrap_or("default");
    let methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
    let algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
    json!({
        "issuer": issuer,
        "countersign_status_stream_endpoint": format!("https://as.test/oauth2/{server}/v1/status/stream"),
        "token_endpoint": token,
        "jwks_uri": keys,
        "introspection_endpoint": token.replace("token", "introspect"),
        "introspection_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_signing_alg_values_supported": [alg],
        "revocation_endpoint": token.replace("token", "revoke"),
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "grant_types_supported": ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [alg],
    })
}

async fn check(app: &TestApp, url: &str, document: &Value) {
    let answer = app.get(url).send().await;
    assert_eq!((answer.status.as_u16(), &answer.json()), (200, document), "{url}");
    assert_eq!(answer.header("content-type"), Some(JSON));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let head = app.request(Method::HEAD, url).send().await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    // G 102: nothing of a request changes what the configuration says.
    let misled = app.get(&format!("{url}?issuer=https://evil.test")).host("evil.test");
    let misled =
        misled.header("x-forwarded-host", "evil.test").header("x-forwarded-proto", "http").header("origin", "https://x.test");
    assert_eq!(misled.send().await.body, answer.body);
}

#[tokio::test]
async fn g102_every_url_form_answers_with_its_issuer_whatever_the_headers_say() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    app.authorization_server("second", Algorithm::EdDSA, None).await;
    let document = expected("https://as.test/", "https://as.test/oauth/token", "https://as.test/.well-known/jwks.json", "ES256");
    for url in ROOT {
        check(&app, url, &document).await;
    }
    for (server, alg) in [("default", "ES256"), ("second", "EdDSA")] {
        let issuer = format!("https://as.test/oauth2/{server}");
        let document = expected(&issuer, &format!("{issuer}/v1/token"), &format!("{issuer}/v1/keys"), alg);
        for url in nested(server) {
            check(&app, &url, &document).await;
        }
    }
}

/// A request to an endpoint as a client would make it: the URL is taken as it is.
async fn authenticated(
    app: &TestApp,
    metadata: &Value,
    endpoint: &str,
    method: &str,
    (client, key): (&TestClient, &TestKey),
    form: String,
) -> Answer {
    let request = app.post(metadata[format!("{endpoint}_endpoint")].as_str().unwrap());
    let request = match method {
        "client_secret_basic" => request.basic(client.id.as_str(), &client.secret).form(form),
        "client_secret_post" => request.form(format!("{form}&client_id={}&client_secret={}", client.id, client.secret)),
        "private_key_jwt" => {
            let assertion = key.assertion(app, client.id.as_str()).claim("aud", metadata["issuer"].clone()).sign();
            request.form(format!("{form}&client_assertion_type={JWT_BEARER}&client_assertion={assertion}"))
        }
        other => panic!("{other} is advertised and not tested"),
    };
    request.send().await
}

#[tokio::test]
async fn g108_everything_advertised_works() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    app.authorization_server("second", Algorithm::EdDSA, None).await;
    let mut keys_of = HashMap::new();
    for (server, algs) in [("default", vec![None, Some(Algorithm::EdDSA)]), ("second", vec![None, Some(Algorithm::ES384)])] {
        for (number, alg) in algs.into_iter().enumerate() {
            let mut new = api(&format!("https://{server}{number}.test"), "s");
            new.authorization_server_id = issuer_id(server);
            new.signing_alg = alg;
            let resource_server = app.resource_server(new).await;
            app.grant(&a, &resource_server, "s").await;
            let new = NewApiKey::named("k", a.id.clone(), resource_server.id.clone());
            let made = api_keys::create(&app.app, &Actor::command_line(), new).await.unwrap();
            keys_of.insert(resource_server.audience.to_string(), made.text.expose().clone());
        }
    }
    let key = TestKey::generate(Algorithm::ES256, "k");
    let keys = NewKeys { label: "keys".to_owned(), source: KeySource::Jwks(key.jwks()), not_before: None, expires_at: None };
    clients::add_keys(&app.app, &Actor::command_line(), &a.id, keys).await.unwrap();
    for (url, server) in [
        (ROOT[0], "default"),
        ("/oauth2/default/.well-known/openid-configuration", "default"),
        ("/oauth2/second/.well-known/openid-configuration", "second"),
    ] {
        let metadata = app.get(url).send().await.json();
        let list = |name: &str| -> Vec<String> { serde_json::from_value(metadata[name].clone()).unwrap() };
        // As a client would: the URL is taken as it is.
        let keys = app.key_set(metadata["jwks_uri"].as_str().unwrap()).await;
        let mut algs = Vec::new();
        for grant_type in list("grant_types_supported") {
            for method in list("token_endpoint_auth_methods_supported") {
                for number in 0..2 {
                    let audience = format!("https://{server}{number}.test");
                    let form = format!("grant_type={grant_type}&audience={audience}");
                    let ask = async |form| authenticated(&app, &metadata, "token", &method, (&a, &key), form).await;
                    let token = match grant_type.as_str() {
                        "client_credentials" => ask(form).await.token(),
                        exchange if exchange == GrantType::TokenExchange.as_str() => {
                            let api_key = &keys_of[&audience];
                            let form = format!("{form}&subject_token={api_key}&subject_token_type={API_KEY_TOKEN_TYPE}");
                            ask(form).await.exchanged()
                        }
                        other => panic!("{other} is advertised and not tested"),
                    };
                    assert!(token.verifies_with(&keys));
                    assert_eq!(token.claims["iss"], metadata["issuer"]);
                    algs.push(token.alg().to_owned());
                }
            }
        }
        for endpoint in ["introspection", "revocation"] {
            for method in list(&format!("{endpoint}_endpoint_auth_methods_supported")) {
                let form = format!("grant_type=client_credentials&audience=https://{server}0.test");
                let token = authenticated(&app, &metadata, "token", "client_secret_basic", (&a, &key), form).await.token().text;
                let answer = authenticated(&app, &metadata, endpoint, &method, (&a, &key), format!("token={token}")).await;
                if endpoint == "introspection" {
                    assert!(answer.is_active());
                } else {
                    answer.assert_revocation_answered();
                    let form = format!("token={token}");
                    assert!(!authenticated(&app, &metadata, "introspection", &method, (&a, &key), form).await.is_active());
                }
            }
        }
        algs.sort();
        algs.dedup();
        let mut advertised = list("id_token_signing_alg_values_supported");
        advertised.sort();
        assert_eq!(advertised, algs);
        assert_eq!(list("response_types_supported"), Vec::<String>::new());
        let urls: Vec<&String> = metadata.as_object().unwrap().keys().filter(|name| name.ends_with("_endpoint")).collect();
        assert_eq!(urls, ["countersign_status_stream_endpoint", "introspection_endpoint", "revocation_endpoint", "token_endpoint"]);
        // It is there, for who may follow it.
        let stream = app.get(metadata["countersign_status_stream_endpoint"].as_str().unwrap()).send().await;
        assert_eq!(stream.status, 401);
    }
}
