//! What a token allows; catalogue C, 40 to 43.

use countersign_protocol::ErrorCode;
use serde_json::json;

use super::ENGINE;
use crate::support::{Fixture, api};

#[tokio::test]
async fn c40_the_scope_asked_for_is_the_scope_of_the_token_and_is_echoed() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for (asked, granted) in [
        ("scope=list:users", "list:users"),
        ("scope=read:x", "read:x"),
        ("scope=read:x+list:users", "read:x list:users"),
        ("", "list:users read:x"),
        ("scope=", "list:users read:x"),
    ] {
        let answer = app.ask(&a, asked).await;
        assert_eq!(answer.token().claim("scope"), granted);
        assert_eq!(answer.json()["scope"], json!(granted));
    }
}

#[tokio::test]
async fn c41_a_scope_outside_the_grant_is_refused_and_never_narrowed() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    for asked in [
        "admin:all",
        "list:users+admin:all",
        "admin:all+list:users",
        "list:users2",
        "xlist:users",
        "list:",
        "*",
        "list:users,read:x",
    ] {
        app.ask(&a, &format!("scope={asked}")).await.assert_refused(400, "invalid_scope", ErrorCode::ScopeNotGranted);
    }
    // Defined by the API, not granted to this client; granted, but at another API.
    for asked in ["read:x", "write:y"] {
        let answer = app.ask(&b, &format!("audience=https://api1.test&scope={asked}")).await;
        answer.assert_refused(400, "invalid_scope", ErrorCode::ScopeNotGranted);
    }
}

#[tokio::test]
async fn c42_spaces_and_repetition_are_normalised_and_nothing_else_is() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for asked in ["list:users+list:users", "+list:users", "list:users+", "++list:users+++list:users++", "list:users%20list:users"] {
        let answer = app.ask(&a, &format!("scope={asked}")).await;
        answer.token();
        assert_eq!(answer.json()["scope"], "list:users");
    }
    for asked in
        ["list:users%09read:x", "list:users%00", "list:users%0aread:x", "%22list:users%22", "list%5cusers", "list:%C3%BCsers"]
    {
        app.ask(&a, &format!("scope={asked}")).await.assert_refused(400, "invalid_scope", ErrorCode::ScopeMalformed);
    }
    app.ask(&a, "scope=LIST:USERS").await.assert_refused(400, "invalid_scope", ErrorCode::ScopeNotGranted);
    // Nothing but spaces asks for nothing: it must not be widened to everything.
    let nothing = app.ask(&a, "scope=+++").await;
    assert_eq!(nothing.token().claims.get("scope"), None);
}

#[tokio::test]
async fn c43_thousands_of_scopes_are_refused() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let many: Vec<String> = (0..10_000).map(|n| format!("s{n}")).collect();
    let answer = app.ask(&a, &format!("scope={}", many.join("+"))).await;
    answer.assert_refused(400, "invalid_scope", ErrorCode::ScopeMalformed);
    let long = app.ask(&a, &format!("scope={}", "s".repeat(10_000))).await;
    long.assert_refused(400, "invalid_scope", ErrorCode::ScopeMalformed);
}

#[tokio::test]
async fn a_grant_without_scopes_makes_tokens_without_the_member() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let bare = app.resource_server(api("https://bare.test", "")).await;
    let client = app.client("scopeless").await;
    app.grant(&client, &bare, "").await;
    let answer = app.ask(&client, "").await;
    assert_eq!(answer.token().claims.get("scope"), None);
    assert_eq!(answer.json().get("scope"), None);
    app.ask(&client, "scope=s").await.assert_refused(400, "invalid_scope", ErrorCode::ScopeNotGranted);
}
