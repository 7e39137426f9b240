//! The JWK Set; catalogue G, 103.

use std::collections::BTreeSet;

use countersign_protocol::jose::Algorithm;
use http::Method;
use serde_json::Value;

use super::ENGINE;
use crate::support::{JSON, TestApp, api};

const URLS: [&str; 2] = ["/.well-known/jwks.json", "/oauth2/default/v1/keys"];

async fn start() -> TestApp {
    let app = TestApp::start(ENGINE).await;
    app.authorization_server("default", Algorithm::RS256, None).await;
    for alg in [Algorithm::ES256, Algorithm::EdDSA] {
        let mut new = api(&format!("https://{alg}.test"), "s");
        new.signing_alg = Some(alg);
        app.resource_server(new).await;
    }
    app
}

#[tokio::test]
async fn g103_only_public_members_with_use_alg_and_unique_kids() {
    let app = start().await;
    for url in URLS {
        let document: Value = serde_json::from_slice(&app.key_set(url).await).unwrap();
        assert_eq!(document.as_object().unwrap().keys().collect::<Vec<_>>(), ["keys"]);
        let keys = document["keys"].as_array().unwrap();
        let mut kids = BTreeSet::new();
        for key in keys {
            let members: BTreeSet<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
            let expected: &[&str] = match key["kty"].as_str().unwrap() {
                "RSA" => &["alg", "e", "kid", "kty", "n", "use"],
                "EC" => &["alg", "crv", "kid", "kty", "use", "x", "y"],
                "OKP" => &["alg", "crv", "kid", "kty", "use", "x"],
                other => panic!("{other}"),
            };
            assert_eq!(members, expected.iter().copied().collect());
            assert_eq!(key["use"], "sig");
            assert!(key["kid"].as_str().unwrap().starts_with("sk_"));
            assert!(kids.insert(key["kid"].as_str().unwrap().to_owned()));
        }
        // One that signs and one successor of each.
        let algs: Vec<&Value> = keys.iter().map(|key| &key["alg"]).collect();
        assert_eq!(algs, ["RS256", "RS256", "ES256", "ES256", "EdDSA", "EdDSA"]);
    }
    let states = app.database.texts("SELECT state FROM signing_keys ORDER BY alg, state").await;
    assert_eq!(states, ["active", "published", "active", "published", "active", "published"]);
}

#[tokio::test]
async fn g103_the_key_set_may_be_cached_and_asked_for_again_cheaply() {
    let app = start().await;
    for url in URLS {
        let answer = app.get(url).send().await;
        let etag = answer.header("etag").unwrap().to_owned();
        assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 20);
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(answer.header("content-type"), Some(JSON));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let head = app.request(Method::HEAD, url).send().await;
        assert_eq!((head.status.as_u16(), head.body.len(), head.header("etag")), (200, 0, Some(etag.as_str())));

        for tags in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), format!("\"x\",W/{etag} , \"y\""), "*".to_owned()]
        {
            for method in [Method::GET, Method::HEAD] {
                let unchanged = app.request(method, url).header("if-none-match", &tags).send().await;
                assert_eq!((unchanged.status.as_u16(), unchanged.body.len()), (304, 0), "{tags}");
                assert_eq!(unchanged.header("etag"), Some(etag.as_str()));
                assert_eq!(unchanged.header("cache-control"), Some("public, max-age=300"));
                assert_eq!(unchanged.header("access-control-allow-origin"), Some("*"));
            }
        }
        let in_two_headers = app.get(url).header("if-none-match", "\"x\"").header("if-none-match", &etag).send().await;
        assert_eq!(in_two_headers.status, 304);
        for tags in ["\"x\"".to_owned(), etag.trim_matches('"').to_owned(), format!("{etag}x"), String::new(), "\u{e9}".to_owned()]
        {
            let changed = app.get(url).header("if-none-match", &tags).send().await;
            assert_eq!((changed.status.as_u16(), &changed.body), (200, &answer.body), "{tags}");
        }
    }
}

#[tokio::test]
async fn another_set_of_keys_has_another_tag() {
    let app = start().await;
    let before = app.get(URLS[0]).send().await;
    let mut new = api("https://more.test", "s");
    new.signing_alg = Some(Algorithm::ES384);
    app.resource_server(new).await;
    let etag = before.header("etag").unwrap();
    let after = app.get(URLS[0]).header("if-none-match", etag).send().await;
    assert_eq!(after.status, 200);
    assert_ne!(after.header("etag"), Some(etag));
}
