//! What unmodified clients really send; rules R8 to R20 of the compatibility notes.

use countersign_protocol::ErrorCode;
use serde_json::json;
use url::form_urlencoded::byte_serialize;

use super::ENGINE;
use crate::support::{FORM, Fixture};

const GRANT: &str = "grant_type=client_credentials";

#[tokio::test]
async fn compat_r8_json_with_nulls_and_media_types_with_parameters_are_read() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let body = json!({
        "grant_type": "client_credentials", "client_id": "client-a", "client_secret": a.secret, "audience": "https://api1.test",
        "organization": null, "scope": null, "client_assertion": null, "resource": null,
    });
    for media_type in ["application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON"]
    {
        let request = app.post("/oauth/token").header("content-type", media_type).body(body.to_string());
        assert_eq!(request.send().await.token().claim("scope"), "list:users read:x");
    }
    let form = format!("{GRANT}&client_id=client-a&client_secret={}", a.secret);
    for media_type in [format!("{FORM};charset=UTF-8"), format!("{FORM}; charset=utf-8"), FORM.to_ascii_uppercase()] {
        for endpoint in ["/oauth/token", "/oauth2/default/v1/token"] {
            app.post(endpoint).header("content-type", &media_type).body(form.clone()).send().await.token();
        }
    }
}

#[tokio::test]
async fn compat_r8_json_and_a_basic_header_go_together() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let request = app.post("/oauth/token").basic("client-a", &a.secret);
    request.json(&json!({ "grant_type": "client_credentials" })).send().await.token();
}

#[tokio::test]
async fn compat_r9_unknown_body_parameters_query_parameters_and_headers_are_ignored() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for endpoint in ["/oauth/token", "/oauth2/default/v1/token"] {
        let uri = format!("{endpoint}?client-request-id=1&scope=admin:all&grant_type=password&audience=x&%zz");
        let form = format!("{GRANT}&client_info=1&x-client-SKU=msal.js.node&x-ms-lib-capability=retry-after");
        let mut request = app.token_request(&uri, &a, &form);
        for (name, value) in [
            ("cookie", ""),
            ("auth0-client", "eyJuYW1lIjoiYXV0aDAifQ"),
            ("x-client-ver", "2.0"),
            ("x-forwarded-for", "10.0.0.1"),
            ("accept", "text/html"),
            ("accept-encoding", "gzip"),
            ("if-none-match", "*"),
            ("range", "bytes=0-1"),
            ("expect", "nothing"),
        ] {
            request = request.header(name, value);
        }
        assert_eq!(request.send().await.token().claim("scope"), "list:users read:x");
    }
    let odd = json!({
        "grant_type": "client_credentials", "client_id": "client-a", "client_secret": a.secret,
        "nested": { "a": [1] }, "flag": true, "number": 1.5,
    });
    app.post("/oauth/token").json(&odd).send().await.token();
}

#[tokio::test]
async fn compat_r10_raw_and_encoded_basic_credentials_are_the_same() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    // RFC 3986 unreserved characters encoded too, as openid-client does.
    let eager = |text: &str| text.replace('-', "%2D").replace('_', "%5F");
    let lower = |text: &str| text.replace('-', "%2d").replace('_', "%5f");
    let standard = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let id = "client-a";
    for (id, secret) in [
        (id.to_owned(), a.secret.clone()),
        (eager(id), eager(&a.secret)),
        (lower(id), lower(&a.secret)),
        (standard(id), standard(&a.secret)),
    ] {
        app.post("/oauth/token").basic(&id, &secret).form(GRANT).send().await.token();
    }
}

#[tokio::test]
async fn compat_r12_a_challenge_is_sent_only_to_who_used_the_header() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let in_header = app.post("/oauth/token").basic("client-a", "x").form(GRANT).send().await;
    in_header.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    for form in [format!("{GRANT}&client_id=client-a&client_secret=x"), GRANT.to_owned()] {
        let answer = app.post("/oauth/token").form(form).send().await;
        assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, None));
    }
}

#[tokio::test]
async fn compat_r14_a_dpop_header_alone_binds_nothing() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for proof in ["eyJ0eXAiOiJkcG9wK2p3dCJ9.e30.x", "nonsense"] {
        let answer = app.token_request("/oauth2/default/v1/token", &a, GRANT).header("dpop", proof).send().await;
        assert_eq!(answer.token().claims.get("cnf"), None);
        assert_eq!(answer.json()["token_type"], "Bearer");
    }
}

#[tokio::test]
async fn compat_r15_a_doubled_leading_slash_is_collapsed_before_oauth2_only() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let token = app.token_request("//oauth2/default/v1/token?x=//y", &a, GRANT).send().await.token();
    assert_eq!(token.claim("iss"), "https://as.test/oauth2/default");
    assert_eq!(app.get("//oauth2/default/v1/keys").send().await.status, 200);
    assert_eq!(app.get("//oauth2/default/.well-known/openid-configuration").send().await.status, 200);
    for path in ["//oauth/token", "///oauth2/default/v1/token", "/oauth2//default/v1/token", "//oauth2//default/v1/token"] {
        app.token_request(path, &a, GRANT).send().await.assert_problem(404, ErrorCode::NoSuchPath);
    }
    for path in ["//.well-known/jwks.json", "//jwks", "//health/live"] {
        app.get(path).send().await.assert_problem(404, ErrorCode::NoSuchPath);
    }
}

#[tokio::test]
async fn compat_r20_expires_in_is_a_number_and_the_scope_a_string_exactly_as_asked() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let answer = app.ask(&a, "scope=read:x+list:users").await;
    let body = answer.json();
    assert!(answer.text().contains("\"expires_in\":600,"));
    assert_eq!(body["scope"], "read:x list:users");
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(answer.header("pragma"), Some("no-cache"));
}
