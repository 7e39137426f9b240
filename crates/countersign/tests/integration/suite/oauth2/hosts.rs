//! Base URLs, and what of a request may choose among them.

use countersign::audit::Actor;
use countersign::authorization_servers;
use countersign::change::ChangeError;
use countersign_protocol::jose::Algorithm;
use serde_json::Value;

use super::ENGINE;
use crate::support::{Fixture, Request, Setup, api, issuer_id};

const GRANT: &str = "grant_type=client_credentials";
const TWO_BASES: &[&str] = &["https://as.test", "http://b.test:8081"];

async fn start() -> Fixture {
    let setup = Setup { bases: TWO_BASES, ..Setup::default() };
    let fixture = Fixture::start_with(ENGINE, setup).await;
    let app = &fixture.app;
    app.authorization_server("second", Algorithm::EdDSA, None).await;
    let mut new = api("https://api3.test", "s");
    new.authorization_server_id = issuer_id("second");
    let resource_server = app.resource_server(new).await;
    app.grant(&fixture.a, &resource_server, "s").await;
    fixture
}

#[tokio::test]
async fn g102_the_host_selects_among_the_configured_bases_and_nothing_else_does() {
    let Fixture { app, a, .. } = start().await;
    let issuer_with = async |change: &dyn Fn(Request) -> Request| {
        let token = change(app.token_request("/oauth/token", &a, GRANT)).send().await.token();
        let metadata = change(app.get("/.well-known/openid-configuration")).send().await.json();
        assert_eq!(metadata["issuer"], token.claim("iss"));
        let origin = token.claim("iss").trim_end_matches('/').to_owned();
        for url in ["token_endpoint", "jwks_uri"] {
            assert!(metadata[url].as_str().unwrap().starts_with(&origin));
        }
        origin
    };
    assert_eq!(issuer_with(&|request| request.host("b.test:8081")).await, "http://b.test:8081");
    for host in
        ["as.test", "evil.test", "b.test", "b.test:80", "B.TEST:8081", "b.test:8081.", "as.test:443", "", "a b", "b.test:8081/x"]
    {
        assert_eq!(issuer_with(&|request| request.host(host)).await, "https://as.test", "{host}");
    }
    for name in ["x-forwarded-host", "x-original-host", "x-host", "x-forwarded-server"] {
        assert_eq!(issuer_with(&|request| request.header(name, "b.test:8081")).await, "https://as.test", "{name}");
    }
    let forwarded = "host=b.test:8081;proto=http";
    assert_eq!(issuer_with(&|request| request.header("forwarded", forwarded)).await, "https://as.test");
    for proto in ["http", "https"] {
        let with_proto = |request: Request| request.header("x-forwarded-proto", proto).header("x-forwarded-port", "1");
        assert_eq!(issuer_with(&with_proto).await, "https://as.test");
        assert_eq!(issuer_with(&|request| with_proto(request).host("b.test:8081")).await, "http://b.test:8081");
    }
}

#[tokio::test]
async fn the_authority_of_an_http2_request_selects_as_the_host_does() {
    let Fixture { app, .. } = start().await;
    for (uri, issuer) in [
        ("http://b.test:8081/.well-known/openid-configuration", "http://b.test:8081/"),
        // The authority alone: the scheme is the client's claim.
        ("https://b.test:8081/.well-known/openid-configuration", "http://b.test:8081/"),
        ("https://evil.test/.well-known/openid-configuration", "https://as.test/"),
    ] {
        assert_eq!(app.get(uri).send().await.json()["issuer"], issuer, "{uri}");
    }
}

#[tokio::test]
async fn a_mount_at_a_host_wins_there_and_nowhere_else() {
    let Fixture { app, a, .. } = start().await;
    let second = issuer_id("second");
    authorization_servers::mount_at_host(&app.app, &Actor::command_line(), &second, "http://b.test:8081", None).await.unwrap();
    let at = |host: &'static str, path: &str| app.token_request(path, &a, GRANT).host(host).send();
    let there = at("b.test:8081", "/oauth/token").await.token();
    assert_eq!((there.claim("iss"), there.claim("aud"), there.alg()), ("http://b.test:8081/", "https://api3.test", "EdDSA"));
    for host in ["as.test", "evil.test"] {
        let here = at(host, "/oauth/token").await.token();
        assert_eq!((here.claim("iss"), here.claim("aud"), here.alg()), ("https://as.test/", crate::support::API1, "ES256"));
    }
    // The paths are there under both bases, each with its issuer.
    for (host, base) in [("as.test", "https://as.test"), ("b.test:8081", "http://b.test:8081")] {
        for server in ["default", "second"] {
            let token = at(host, &format!("/oauth2/{server}/v1/token")).await.token();
            assert_eq!(token.claim("iss"), format!("{base}/oauth2/{server}"));
        }
    }
    let keys: Value = app.get("/.well-known/jwks.json").host("b.test:8081").send().await.json();
    assert_eq!(keys["keys"][0]["alg"], "EdDSA");
}

#[tokio::test]
async fn a_mount_at_a_host_needs_a_configured_base_and_happens_once() {
    let Fixture { app, .. } = start().await;
    let mount = |id: &str, base: &'static str| {
        let (app, id) = (std::sync::Arc::clone(&app.app), issuer_id(id));
        async move { authorization_servers::mount_at_host(&app, &Actor::command_line(), &id, base, None).await }
    };
    for base in ["https://evil.test", "https://as.test/", "http://as.test", "b.test:8081", "", "HTTPS://AS.TEST"] {
        let Err(ChangeError::Invalid(invalid)) = mount("second", base).await else { panic!("{base}") };
        assert_eq!((invalid.field, invalid.value.as_str()), ("base_url", base));
        assert_eq!(invalid.accepted, "one of the configured base URLs: https://as.test, http://b.test:8081");
    }
    let unknown = mount("unknown", "https://as.test").await.unwrap_err().to_string();
    assert_eq!(unknown, "there is no authorization server `unknown`");
    mount("second", "http://b.test:8081").await.unwrap();
    let again = mount("default", "http://b.test:8081").await.unwrap_err().to_string();
    assert_eq!(again, "mount `http://b.test:8081/` exists already");
}
