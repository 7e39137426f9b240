//! `POST /oauth/introspect` and `POST {issuer}/v1/introspect`; catalogue F, 87 to 95.

use std::sync::Arc;
use std::time::Duration;

use countersign::change_feed::Follower;
use countersign::clients;
use countersign::oauth::read_issued;
use countersign::resource_servers::{self, Profile};
use countersign_protocol::ErrorCode;
use countersign_protocol::jose::{Algorithm, SigningInput};
use http::Method;
use serde_json::json;

use super::ENGINE;
use crate::support::{API1, API2, CapturedLog, Database, Fixture, TestApp, TestClient, api, by, issuer_id};

const INTROSPECT: &str = "/oauth/introspect";

async fn token(app: &TestApp, client: &TestClient) -> String {
    app.ask(client, &format!("audience={API1}")).await.token().text
}

#[tokio::test]
async fn f87_a_resource_servers_client_sees_everything_that_the_token_says() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let api1 = app.introspection_client(API1).await;
    let token = app.ask(&a, "scope=list:users").await.token();
    for path in [INTROSPECT, "/oauth2/default/v1/introspect"] {
        let answer = app.introspect_at(path, &api1, &token.text).await;
        assert!(answer.is_active());
        let expected = json!({
            "active": true, "token_type": "Bearer", "scope": "list:users", "client_id": "client-a", "sub": "client-a", "aud": API1,
            "iss": "https://as.test/", "exp": 1_800_000_600, "iat": 1_800_000_000, "jti": token.claim("jti"),
            "cred": a.credential_id.as_str(),
        });
        assert_eq!(answer.json(), expected);
    }
    // Whom it was issued to sees it too.
    assert!(app.is_active(&a, &token.text).await);
}

#[tokio::test]
async fn a_token_is_read_once_and_again_when_keys_may_have_changed() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let text = token(&app, &a).await;
    let read = || read_issued(&app.app, &issuer_id("default"), &text, app.app.clock.now()).unwrap();
    let first = read();
    assert!(Arc::ptr_eq(&first, &read()));
    app.resource_server(api("https://another.test", "s")).await;
    let second = read();
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&second, &read()));
}

#[tokio::test]
async fn a_token_that_is_remembered_ends_like_any_other() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let (revoked, expired) = (token(&app, &a).await, token(&app, &a).await);
    assert!(app.is_active(&a, &revoked).await && app.is_active(&a, &expired).await);
    app.revoke(&a, &revoked).await;
    assert!(!app.is_active(&a, &revoked).await);
    assert!(app.is_active(&a, &expired).await);
    app.clock.advance_seconds(600);
    assert!(!app.is_active(&a, &expired).await);
}

#[tokio::test]
async fn the_claims_of_a_profile_are_in_the_answer() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for (audience, profile, expected) in [
        ("https://okta.test", Profile::Okta, json!({ "cid": "client-a", "scp": ["s"], "ver": 1 })),
        ("https://auth0.test", Profile::Auth0, json!({ "azp": "client-a", "gty": "client-credentials" })),
    ] {
        let resource_server = app.resource_server(resource_servers::NewResourceServer { profile, ..api(audience, "s") }).await;
        app.grant(&a, &resource_server, "s").await;
        let token = app.ask(&a, &format!("audience={audience}")).await.token();
        let answer = app.introspect(&a, &token.text).await.json();
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&answer[name], value, "{name}");
        }
    }
}

#[tokio::test]
async fn f88_another_resource_servers_client_learns_nothing() {
    let Fixture { app, b, .. } = Fixture::start(ENGINE).await;
    let (api1, api2) = (app.introspection_client(API1).await, app.introspection_client(API2).await);
    let token = token(&app, &b).await;
    assert!(app.is_active(&api1, &token).await);
    let foreign = app.introspect(&api2, &token).await;
    assert!(!foreign.is_active());
    // Not to be told from a text that is no token at all.
    let nonsense = app.introspect(&api2, "nonsense").await;
    assert_eq!(foreign.comparable_headers(), nonsense.comparable_headers());
}

#[tokio::test]
async fn f90_nobody_learns_anything_without_credentials() {
    let Fixture { app, a, z, .. } = Fixture::start(ENGINE).await;
    let token = token(&app, &a).await;
    let body = format!("token={token}");
    app.post(INTROSPECT).form(body.clone()).send().await.assert_client_refused(ErrorCode::ClientAuthenticationMissing, false);
    for (id, secret) in [("client-a", "wrong"), ("unknown-client", "x"), ("client-z", z.secret.as_str())] {
        for body in [body.as_str(), "token=nonsense", ""] {
            let refused = app.post(INTROSPECT).basic(id, secret).form(body.to_owned()).send().await;
            refused.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
        }
    }
    // The token itself is no credential.
    let bearer = app.post(INTROSPECT).header("authorization", format!("Bearer {token}")).form(body.clone()).send().await;
    bearer.assert_client_refused(ErrorCode::AuthenticationMethodUnsupported, true);
    // Both registered methods work, and only one at a time.
    let post = format!("{body}&client_id=client-a&client_secret={}", a.secret);
    assert!(app.post(INTROSPECT).form(post.clone()).send().await.is_active());
    let both = app.post(INTROSPECT).basic("client-a", &a.secret).form(post).send().await;
    both.assert_refused(400, "invalid_request", ErrorCode::SeveralAuthenticationMethods);
}

#[tokio::test]
async fn f91_a_client_that_is_no_resource_server_sees_only_its_own_tokens() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let (of_a, of_b) = (token(&app, &a).await, token(&app, &b).await);
    assert!(app.is_active(&a, &of_a).await && app.is_active(&b, &of_b).await);
    // B has a grant for the same audience: that is no leave to introspect for it.
    assert!(!app.is_active(&a, &of_b).await && !app.is_active(&b, &of_a).await);
}

#[tokio::test]
async fn f92_whatever_is_not_a_live_token_of_ours_is_inactive() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let api1 = app.introspection_client(API1).await;
    let token = token(&app, &a).await;
    assert!(app.is_active(&api1, &token).await);
    let flip = |at: usize| {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at].is_ascii_lowercase() { bytes[at].to_ascii_uppercase() } else { bytes[at].to_ascii_lowercase() };
        String::from_utf8(bytes).unwrap()
    };
    let letters: Vec<usize> = token.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_alphabetic()).map(|(at, _)| at).collect();
    for at in letters.iter().step_by(17).chain(letters.last()) {
        assert!(!app.is_active(&api1, &flip(*at)).await, "letter {at}");
    }
    let (signed, _) = token.rsplit_once('.').unwrap();
    let huge = "x".repeat(60_000);
    for broken in [
        &token[..token.len() - 1],
        &token[1..],
        &format!("{token}%3D"),
        &format!("{token}%3D%3D"),
        &format!("%20{token}"),
        &format!("Bearer%20{token}"),
        &format!("{token}."),
        signed,
        &format!("{signed}."),
        "a",
        "..",
        "%00",
        "%F0%9F%92%A9",
        &huge,
    ] {
        assert!(!app.is_active(&api1, broken).await, "{broken:.60}");
    }
    // More than any request may hold is refused unread.
    let too_large = app.introspect(&api1, &"x".repeat(1_000_000)).await;
    too_large.assert_refused(413, "invalid_request", ErrorCode::BodyTooLarge);
    app.clock.advance_millis(599_249);
    assert!(app.is_active(&api1, &token).await);
    // 1800000600.000: the moment that `exp` names.
    app.clock.advance_millis(1);
    assert!(!app.is_active(&api1, &token).await);
}

#[tokio::test]
async fn f93_n56_a_token_is_taken_from_the_body_alone_and_never_logged() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let token = token(&app, &a).await;
    let log = CapturedLog::start();
    let in_query = format!("{INTROSPECT}?token={token}");
    // F 93.
    let got = app.get(&in_query).basic("client-a", &a.secret).send().await;
    got.assert_problem(405, ErrorCode::MethodNotAllowed);
    assert_eq!(got.header("allow"), Some("POST"));
    for body in ["", "token=nonsense"] {
        let posted = app.post(&in_query).basic("client-a", &a.secret).form(body).send().await;
        posted.assert_refused(400, "invalid_request", ErrorCode::SecretInUrl);
    }
    let missing = app.post(INTROSPECT).basic("client-a", &a.secret).form("token=").send().await;
    missing.assert_refused(400, "invalid_request", ErrorCode::TokenParameterMissing);
    let twice = app.token_request(INTROSPECT, &a, &format!("token={token}&token={token}")).send().await;
    twice.assert_refused(400, "invalid_request", ErrorCode::ParameterRepeated);
    let json = app.post(INTROSPECT).basic("client-a", &a.secret).json(&json!({ "token": token })).send().await;
    json.assert_refused(400, "invalid_request", ErrorCode::ContentTypeUnsupported);
    assert!(app.is_active(&a, &token).await);
    assert!(!log.text().contains(&token[..40]) && !log.text().contains(token.rsplit_once('.').unwrap().1));
    // Who asked is in the log.
    assert_eq!(log.records().last().unwrap()["client.id"], "client-a");
}

#[tokio::test]
async fn f94_a_hint_never_hides_a_token() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let token = token(&app, &a).await;
    for hint in ["access_token", "refresh_token", "nonsense", ""] {
        let body = format!("token={token}&token_type_hint={hint}&unknown=1");
        assert!(app.token_request(INTROSPECT, &a, &body).send().await.is_active(), "{hint}");
    }
}

#[tokio::test]
async fn tokens_of_every_mount_of_an_authorization_server_are_its_own_and_no_others() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    app.authorization_server("second", Algorithm::ES256, None).await;
    let mut new = api(API1, "s");
    new.authorization_server_id = issuer_id("second");
    let resource_server = app.resource_server(new).await;
    app.grant(&a, &resource_server, "s").await;
    let at = async |path: &str| {
        let form = format!("grant_type=client_credentials&audience={API1}");
        app.token_request(path, &a, &form).send().await.token().text
    };
    let (root, nested) = (at("/oauth/token").await, at("/oauth2/default/v1/token").await);
    let second = at("/oauth2/second/v1/token").await;
    for (path, token, expected) in [
        (INTROSPECT, &root, true),
        (INTROSPECT, &nested, true),
        (INTROSPECT, &second, false),
        ("/oauth2/default/v1/introspect", &root, true),
        ("/oauth2/default/v1/introspect", &second, false),
        ("/oauth2/second/v1/introspect", &root, false),
        ("/oauth2/second/v1/introspect", &second, true),
    ] {
        assert_eq!(app.introspect_at(path, &a, token).await.is_active(), expected, "{path}");
    }
    // The leave to introspect is for one resource server, not for its audience anywhere.
    let api1 = app.introspection_client(API1).await;
    assert!(app.introspect_at(INTROSPECT, &api1, &root).await.is_active());
    assert!(!app.introspect_at("/oauth2/second/v1/introspect", &api1, &second).await.is_active());
    for server in ["unknown", "v1", "DEFAULT"] {
        let unknown = app.introspect_at(&format!("/oauth2/{server}/v1/introspect"), &a, &root).await;
        unknown.assert_problem(404, ErrorCode::NoSuchPath);
    }
}

#[tokio::test]
async fn a_jwt_of_another_kind_signed_by_the_same_key_is_inactive() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let token = app.ask(&a, "").await.token();
    let catalog = app.app.catalog();
    let key = catalog.authorization_server(&issuer_id("default")).unwrap().keys.active(Algorithm::ES256).unwrap();
    let sign = async |typ: &'static str, change: &[(&str, serde_json::Value)]| {
        let mut claims = token.claims.clone();
        for (name, value) in change {
            claims.insert((*name).to_owned(), value.clone());
        }
        let input = SigningInput::new(key.algorithm(), key.key_id().as_str(), typ, &claims).unwrap();
        let signature = key.sign(input.as_str().as_bytes()).await.unwrap();
        input.with_signature(&signature)
    };
    assert!(app.is_active(&a, &sign("at+jwt", &[]).await).await);
    for typ in ["JWT", "statuslist+jwt", "token-introspection+jwt", "logout+jwt", "AT+JWT", ""] {
        assert!(!app.is_active(&a, &sign(typ, &[]).await).await, "{typ}");
    }
    for (name, value) in [
        ("iss", json!("https://evil.test/")),
        ("iss", json!("https://as.test")),
        ("iss", json!("https://as.test/oauth2/unknown")),
        ("aud", json!("https://unknown.test")),
        ("aud", json!([API1])),
        ("client_id", json!("unknown-client")),
        ("cred", json!("cred_unknown")),
        ("cred", json!(null)),
        ("exp", json!(1)),
        ("iat", json!(null)),
        ("jti", json!(1)),
    ] {
        assert!(!app.is_active(&a, &sign("at+jwt", &[(name, value.clone())]).await).await, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_token_signed_by_a_key_that_was_removed_is_inactive() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let old = app.ask(&a, "").await.token();
    assert!(app.is_active(&a, &old.text).await);
    // What an emergency does: the key is gone, its successor signs.
    for change in ["DELETE FROM signing_keys WHERE state = 'active'", "UPDATE signing_keys SET state = 'active'"] {
        app.database.execute(change).await;
    }
    app.app.resync().await.unwrap();
    assert!(!app.is_active(&a, &old.text).await);
    assert!(app.is_active(&a, &token(&app, &a).await).await);
}

#[tokio::test]
async fn the_tokens_of_a_disabled_client_rest_and_those_of_a_deleted_one_are_dead() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let api1 = app.introspection_client(API1).await;
    let token = token(&app, &a).await;
    clients::disable(&app.app, &by(), &a.id).await.unwrap();
    assert!(!app.is_active(&api1, &token).await);
    clients::enable(&app.app, &by(), &a.id).await.unwrap();
    assert!(app.is_active(&api1, &token).await);
    clients::delete(&app.app, &by(), &a.id, None).await.unwrap();
    assert!(!app.is_active(&api1, &token).await);
    // Somebody else gets the same id, and the old secret's credential id as well.
    let again = app.client("client-a").await;
    let steal = format!("UPDATE credentials SET id = '{}' WHERE client_id = 'client-a'", a.credential_id);
    app.database.execute(&steal).await;
    app.app.resync().await.unwrap();
    assert!(!app.is_active(&api1, &token).await && !app.is_active(&again, &token).await);
    assert!(app.is_active(&b, &self::token(&app, &b).await).await);
}

#[tokio::test]
async fn a_secret_that_ends_as_planned_leaves_its_tokens_alive_and_a_revoked_one_does_not() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let second = clients::create_secret(&app.app, &by(), &a.id, "second").await.unwrap();
    let second = TestClient { secret: second.text.expose().clone(), credential_id: second.credential.id, ..a.clone() };
    let (first_token, second_token) = (token(&app, &a).await, token(&app, &second).await);
    let now = countersign_protocol::Clock::now(&*app.clock).as_millis();
    let expire = format!("UPDATE credentials SET expires_at = {now} WHERE id = '{}'", a.credential_id);
    app.database.execute(&expire).await;
    app.app.resync().await.unwrap();
    assert_eq!(app.ask(&a, "").await.status, 401);
    assert!(app.is_active(&second, &first_token).await && app.is_active(&second, &second_token).await);
    clients::revoke_credential(&app.app, &by(), &a.id, &a.credential_id).await.unwrap();
    assert!(!app.is_active(&second, &first_token).await);
    assert!(app.is_active(&second, &second_token).await);
}

#[tokio::test]
async fn a_node_that_may_have_missed_a_revocation_says_so() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let mut follower = Follower::start(Arc::clone(&app.app), Duration::from_secs(1)).await.unwrap();
    let token = token(&app, &a).await;
    app.clock.advance_seconds(10);
    assert!(app.is_active(&a, &token).await);
    app.clock.advance_millis(1);
    for presented in [token.as_str(), "nonsense"] {
        app.introspect(&a, presented).await.assert_problem(503, ErrorCode::Unavailable);
        app.revoke(&a, presented).await.assert_problem(503, ErrorCode::Unavailable);
    }
    follower.catch_up().await.unwrap();
    assert!(app.is_active(&a, &token).await);
}

#[tokio::test]
async fn a_store_that_fails_is_never_an_answer() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let token = token(&app, &a).await;
    // Only the client that asks is in memory.
    let api1 = app.introspection_client(API1).await;
    assert!(!app.is_active(&api1, "nonsense").await);
    app.app.apply(Some(countersign::store::ChangeKind::Client), a.id.as_str()).await.unwrap();
    let (status, code) = match &*app.database {
        Database::Postgres(database) => {
            database.shut().await;
            (503, ErrorCode::Unavailable)
        }
        Database::Sqlite(_) => {
            app.database.execute("ALTER TABLE clients RENAME TO clients_gone").await;
            (500, ErrorCode::Internal)
        }
    };
    app.introspect(&api1, &token).await.assert_problem(status, code);
    app.introspect(&b, &token).await.assert_problem(status, code);
    match &*app.database {
        Database::Postgres(database) => database.reopen().await,
        Database::Sqlite(_) => app.database.execute("ALTER TABLE clients_gone RENAME TO clients").await,
    }
    assert!(app.is_active(&api1, &token).await);
}

#[tokio::test]
async fn introspection_writes_nothing_and_reads_nothing_that_is_in_memory() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let token = token(&app, &a).await;
    assert!(app.is_active(&a, &token).await);
    let before = app.app.store.statements_run();
    for _ in 0..1_000 {
        assert!(app.is_active(&a, &token).await);
    }
    assert_eq!(app.app.store.statements_run(), before);
}

#[tokio::test]
async fn f93_methods_other_than_post_are_405() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    for path in [INTROSPECT, "/oauth/revoke", "/oauth2/default/v1/introspect", "/oauth2/default/v1/revoke"] {
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD] {
            let answer = app.request(method, path).send().await;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST")), "{path}");
        }
    }
}
