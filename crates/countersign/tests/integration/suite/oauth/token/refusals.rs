//! Every refusal of the token endpoint, byte for byte.

use countersign_protocol::ClientAuthMethod;
use serde_json::json;

use super::ENGINE;
use crate::support::{Fixture, Request};

const GRANT: &str = "grant_type=client_credentials";

/// Name, request, status, `error`, code, `error_description`.
type Case = (&'static str, Request, u16, &'static str, &'static str, &'static str);

#[tokio::test]
async fn every_refusal_has_its_exact_status_and_body() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let pinned = app.client_pinned_to("pinned", ClientAuthMethod::ClientSecretPost, true).await;
    let anonymous = || app.post("/oauth/token").form(GRANT);
    let as_a = |form: &str| app.token_request("/oauth/token", &a, form);
    let many: Vec<String> = (0..65).map(|n| format!("p{n}=1")).collect();
    let cases: Vec<Case> = vec![
        ("no credentials", anonymous(), 401, "invalid_client", "CS-2002", "The request does not authenticate a client."),
        (
            "malformed header",
            anonymous().header("authorization", "Basic ?"),
            401,
            "invalid_client",
            "CS-2003",
            "The Authorization header is no well-formed Basic credential.",
        ),
        (
            "other scheme",
            anonymous().header("authorization", "Bearer x"),
            401,
            "invalid_client",
            "CS-2005",
            "The authentication method is not supported.",
        ),
        (
            "assertion",
            app.post("/oauth/token").form(format!("{GRANT}&client_assertion=x")),
            400,
            "invalid_request",
            "CS-2011",
            "`client_assertion` and `client_assertion_type` come together, and the type is that of a JWT.",
        ),
        (
            "two methods",
            as_a(&format!("{GRANT}&client_secret=x")),
            400,
            "invalid_request",
            "CS-2004",
            "The request authenticates the client in two ways.",
        ),
        (
            "wrong secret",
            anonymous().basic("client-a", "x"),
            401,
            "invalid_client",
            "CS-2001",
            "The client is unknown, disabled, or its secret is wrong.",
        ),
        (
            "other method than pinned",
            app.token_request("/oauth/token", &pinned, GRANT),
            401,
            "invalid_client",
            "CS-2006",
            "The client is pinned to another authentication method.",
        ),
        (
            "secret in the URL",
            app.post("/oauth/token?client_secret=x").form(GRANT),
            400,
            "invalid_request",
            "CS-2007",
            "A credential was sent in the URL, where it is logged by others.",
        ),
        ("broken encoding", as_a("a=%zz"), 400, "invalid_request", "CS-2101", "the request body is malformed"),
        ("too many", as_a(&many.join("&")), 400, "invalid_request", "CS-2101", "the request has more than 64 parameters"),
        ("repeated", as_a("a=1&a=1"), 400, "invalid_request", "CS-2102", "a parameter was sent more than once"),
        (
            "media type",
            app.post("/oauth/token").body(GRANT),
            400,
            "invalid_request",
            "CS-2103",
            "The Content-Type is not one that this endpoint reads.",
        ),
        ("too large", as_a(&"a".repeat(70_000)), 413, "invalid_request", "CS-2104", "The request body is too large."),
        ("no grant type", as_a("x=1"), 400, "invalid_request", "CS-2105", "grant_type is missing"),
        ("grant type", as_a("grant_type=x"), 400, "unsupported_grant_type", "CS-2106", "the grant type is not supported"),
        (
            "malformed scope",
            as_a(&format!("{GRANT}&scope=%22")),
            400,
            "invalid_scope",
            "CS-2107",
            "the scope is malformed: a scope token holds a character that RFC 6749 does not allow, or is too long",
        ),
        (
            "scope outside the grant",
            as_a(&format!("{GRANT}&scope=admin:all")),
            400,
            "invalid_scope",
            "CS-2108",
            "the scope `admin:all` is not granted to this client",
        ),
        (
            "audience",
            as_a(&format!("{GRANT}&audience=x")),
            400,
            "invalid_target",
            "CS-2109",
            "the audience is unknown or not granted to this client",
        ),
        (
            "no audience",
            app.token_request("/oauth/token", &b, GRANT),
            400,
            "invalid_request",
            "CS-2110",
            "name an audience: there is no default for this request",
        ),
        (
            "two audiences",
            as_a(&format!("{GRANT}&audience=x&resource=y")),
            400,
            "invalid_target",
            "CS-2111",
            "more than one audience was named",
        ),
    ];
    for (name, request, status, error, code, description) in cases {
        let answer = request.send().await;
        assert_eq!(answer.status, status, "{name}");
        assert_eq!(answer.text(), json!({ "error": error, "error_description": description }).to_string(), "{name}");
        assert_eq!(answer.header("countersign-error"), Some(code), "{name}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
        assert_eq!(answer.header("pragma"), Some("no-cache"), "{name}");
    }
    app.ask(&a, "").await.token();
}

#[tokio::test]
async fn request_ids_differ_and_are_never_the_callers() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..50 {
        let answer = app.token_request("/oauth/token", &a, GRANT).header("x-request-id", "mine-mine-mine-1").send().await;
        assert!(seen.insert(answer.header("x-request-id").unwrap().to_owned()));
    }
    assert!(!seen.contains("mine-mine-mine-1"));
}
