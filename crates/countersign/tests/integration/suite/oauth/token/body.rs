//! Methods, media types, and the form itself; catalogue A, 10 to 12 and 15 to 17.

use countersign_protocol::{ClientAuthMethod, ErrorCode};
use http::Method;
use serde_json::json;

use super::ENGINE;
use crate::support::{FORM, Fixture, JSON, Pieces};

const GRANT: &str = "grant_type=client_credentials";
const ENDPOINTS: [&str; 2] = ["/oauth/token", "/oauth2/default/v1/token"];

#[tokio::test]
async fn a10_only_post_is_answered_and_never_across_origins() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for endpoint in ENDPOINTS {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::TRACE] {
            let is_head = method == Method::HEAD;
            let request = app.request(method, endpoint).basic("client-a", &a.secret).form(GRANT);
            let request = request.header("origin", "https://evil.test").header("access-control-request-method", "POST");
            let answer = request.send().await;
            assert_eq!(answer.header("allow"), Some("POST"));
            assert_eq!(answer.header("access-control-allow-origin"), None);
            if is_head {
                assert_eq!((answer.status.as_u16(), answer.body.len()), (405, 0));
            } else {
                answer.assert_problem(405, ErrorCode::MethodNotAllowed);
            }
        }
        let answer = app.token_request(endpoint, &a, GRANT).header("origin", "https://evil.test").send().await;
        answer.token();
    }
}

#[tokio::test]
async fn a11_json_is_read_at_the_root_and_other_media_types_nowhere() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let body = json!({ "grant_type": "client_credentials", "client_id": "client-a", "client_secret": a.secret });
    app.post("/oauth/token").json(&body).send().await.token();
    let nested = app.post("/oauth2/default/v1/token").json(&body).send().await;
    nested.assert_refused(400, "invalid_request", ErrorCode::ContentTypeUnsupported);
    let form = format!("{GRANT}&client_id=client-a&client_secret={}", a.secret);
    for endpoint in ENDPOINTS {
        for media_type in ["multipart/form-data; boundary=x", "text/plain", "application/jwt", "application/json-patch", "", FORM] {
            let request = app.post(endpoint).header("content-type", media_type).body(form.clone());
            let answer = request.send().await;
            if media_type == FORM {
                answer.token();
            } else {
                answer.assert_refused(400, "invalid_request", ErrorCode::ContentTypeUnsupported);
            }
        }
        let without = app.post(endpoint).body(form.clone()).send().await;
        without.assert_refused(400, "invalid_request", ErrorCode::ContentTypeUnsupported);
    }
}

#[tokio::test]
async fn a11_json_that_is_no_flat_object_of_strings_is_refused() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let bodies = [
        "",
        "null",
        "[]",
        "\"grant_type\"",
        "{",
        "{}{}",
        "{\"grant_type\":1}",
        "{\"grant_type\":[\"client_credentials\"]}",
        "{\"scope\":{\"a\":1}}",
        "{\"scope\":true}",
        "\u{feff}{}",
        &deep,
    ];
    for body in bodies {
        let answer = app.post("/oauth/token").header("content-type", JSON).body(body.to_owned()).send().await;
        answer.assert_refused(400, "invalid_request", ErrorCode::BodyMalformed);
    }
    let twice = format!(
        r#"{{"grant_type":"client_credentials","client_id":"client-a","client_secret":"{}","gr\u0061nt_type":"client_credentials"}}"#,
        a.secret
    );
    let answer = app.post("/oauth/token").header("content-type", JSON).body(twice).send().await;
    answer.assert_refused(400, "invalid_request", ErrorCode::ParameterRepeated);
}

#[tokio::test]
async fn a12_a_parameter_that_occurs_twice_is_refused() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let post = format!("{GRANT}&client_id=client-a&client_secret={}", a.secret);
    for repeated in [
        "grant_type=client_credentials",
        "grant_type=",
        "gr%61nt_type=client_credentials",
        "scope=read:x&scope=read:x",
        "client_id=client-a",
        "client_id=client-b",
        "client_secret=x",
        "client_assertion=x&client_assertion=x",
        "audience=x&audience=x",
        "foo=1&foo=1",
    ] {
        for endpoint in ENDPOINTS {
            let answer = app.post(endpoint).form(format!("{post}&{repeated}")).send().await;
            answer.assert_refused(400, "invalid_request", ErrorCode::ParameterRepeated);
        }
    }
    app.post("/oauth/token").form(post).send().await.token();
}

#[tokio::test]
async fn a15_oversized_and_broken_bodies_are_refused_before_anything_is_done() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let many: Vec<String> = (0..10_000).map(|n| format!("p{n}=")).collect();
    let statements = app.app.store.statements_run();
    let refusals: [(Vec<u8>, u16, ErrorCode); 10] = [
        (vec![b'a'; (1 << 20) + 1], 413, ErrorCode::BodyTooLarge),
        (format!("{}=1", "n".repeat(64 * 1024)).into_bytes(), 413, ErrorCode::BodyTooLarge),
        (many.join("&").into_bytes(), 413, ErrorCode::BodyTooLarge),
        (many[..6_000].join("&").into_bytes(), 400, ErrorCode::BodyMalformed),
        (b"grant_type=%".to_vec(), 400, ErrorCode::BodyMalformed),
        (b"grant_type=%4".to_vec(), 400, ErrorCode::BodyMalformed),
        (b"grant_type=%zz".to_vec(), 400, ErrorCode::BodyMalformed),
        (b"%=client_credentials".to_vec(), 400, ErrorCode::BodyMalformed),
        (b"grant_type=\xff\xfe".to_vec(), 400, ErrorCode::BodyMalformed),
        (b"grant_type=%ff".to_vec(), 400, ErrorCode::BodyMalformed),
    ];
    for (body, status, code) in refusals {
        for endpoint in ENDPOINTS {
            let answer = app.post(endpoint).basic("client-a", &a.secret).form(body.clone()).send().await;
            answer.assert_refused(status, "invalid_request", code);
        }
    }
    assert_eq!(app.app.store.statements_run(), statements);
}

#[tokio::test]
async fn a15_a_body_of_exactly_the_limit_is_read() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let filled = |length: usize| format!("{GRANT}&x={}", "x".repeat(length - GRANT.len() - 3));
    app.token_request("/oauth/token", &a, &filled(64 * 1024)).send().await.token();
    let over = app.token_request("/oauth/token", &a, &filled(64 * 1024 + 1)).send().await;
    over.assert_refused(413, "invalid_request", ErrorCode::BodyTooLarge);
    // A body whose length is not announced is bounded too.
    let unannounced = Pieces { left: 100, then_hang: true };
    let answer = app.post("/oauth/token").basic("client-a", &a.secret).form(unannounced).send().await;
    answer.assert_refused(413, "invalid_request", ErrorCode::BodyTooLarge);
}

#[tokio::test]
async fn a16_only_client_credentials_is_a_grant_type() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for name in ["password", "implicit", "authorization_code", "refresh_token", "x", "Client_Credentials", "client_credentials%00"]
    {
        let answer = app.token_request("/oauth/token", &a, &format!("grant_type={name}&username=u&password=p")).send().await;
        answer.assert_refused(400, "unsupported_grant_type", ErrorCode::GrantTypeUnsupported);
    }
    for form in ["", "grant_type=", "scope=read:x"] {
        let answer = app.token_request("/oauth/token", &a, form).send().await;
        answer.assert_refused(400, "invalid_request", ErrorCode::GrantTypeMissing);
    }
    // A stranger learns nothing about grants: authentication comes first.
    let stranger = app.post("/oauth/token").basic("client-a", "guess").form("grant_type=password").send().await;
    stranger.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
}

#[tokio::test]
async fn a17_unknown_parameters_are_ignored() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let answer = app.ask(&a, "foo=bar&organization=&client_info=1&claims=%7B%22sub%22:%22root%22%7D&sub=root&exp=9999999999").await;
    let token = answer.token();
    assert_eq!((token.claim("sub"), token.claim("aud")), ("client-a", crate::support::API1));
    assert_eq!(answer.json()["expires_in"], 600);
}

#[tokio::test]
async fn the_grant_and_method_names_are_those_of_the_metadata() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let metadata = app.get("/.well-known/openid-configuration").send().await.json();
    assert_eq!(metadata["grant_types_supported"], json!(["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]));
    assert_eq!(metadata["token_endpoint_auth_methods_supported"], json!(ClientAuthMethod::ALL.map(ClientAuthMethod::as_str)));
}
