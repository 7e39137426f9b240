//! Why requests were refused: what is noted, who may read it, and its bounds.

use countersign::clients::{self, KeySource, NewClient, NewClientGrant, NewSecret};
use countersign::config::RefusalsConfig;
use countersign::jobs;
use countersign::refusals::{self, RefusalFilter};
use countersign::store::Page;
use countersign_protocol::jose::Algorithm;
use countersign_protocol::{ClientAuthMethod, ClientId, Clock as _, ErrorCode};
use serde_json::Value;

use super::ENGINE;
use crate::support::{API1, API2, Answer, Caller, Fixture, Managed, Setup, TestApp, TestKey, by, every_right, scope};

const GRANT: &str = "grant_type=client_credentials";

fn request_id(answer: &Answer) -> String {
    answer.header("x-request-id").unwrap().to_owned()
}

/// What is noted of a refused request.
async fn explained(app: &TestApp, caller: &Caller, answer: &Answer) -> Value {
    caller.get(app, &format!("/refusals/{}", request_id(answer))).await.success(200)
}

async fn detail(app: &TestApp, caller: &Caller, answer: &Answer) -> String {
    explained(app, caller, answer).await["detail"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

#[tokio::test]
async fn a_refusal_is_resolved_by_the_id_of_its_request() {
    let Managed { app, a, operator } = Managed::start(ENGINE).await;
    let answer = app.ask(&a, &format!("audience={API2}")).await;
    let found = explained(&app, &operator, &answer).await;
    let expected = serde_json::json!({
        "request_id": request_id(&answer),
        "occurred_at": "2027-01-15T08:00:00.750Z",
        "method": "POST",
        "route": "/oauth/token",
        "status": 400,
        "code": "CS-2109",
        "meaning": ErrorCode::AudienceNotGranted.meaning(),
        "detail": format!("the client has no grant for the audience `{API2}`"),
        "client_id": "client-a",
        "credential_id": a.credential_id.as_str(),
        "source_address": "198.51.100.1",
        "documentation_url": "https://as.test/errors/CS-2109",
    });
    assert_eq!(found, expected);
}

#[tokio::test]
async fn what_the_answer_did_not_say_is_said() {
    let Managed { app, a, operator } = Managed::start(ENGINE).await;
    let now = app.clock.now();
    let ends_soon = NewSecret { label: "ends".to_owned(), not_before: None, expires_at: Some(now.plus_seconds(60)) };
    let expired = clients::create_secret(&app.app, &by(), &a.id, ends_soon).await.unwrap();
    let revoked = clients::create_secret(&app.app, &by(), &a.id, "revoked").await.unwrap();
    clients::revoke_credential(&app.app, &by(), &a.id, &revoked.credential.id).await.unwrap();
    app.clock.advance_seconds(61);
    let as_a = |secret: &str| app.post("/oauth/token").basic("client-a", secret).form(GRANT);

    let unknown = app.post("/oauth/token").basic("nobody-here", "x").form(GRANT).send().await;
    assert_eq!(detail(&app, &operator, &unknown).await, "there is no client with the id that was sent");
    let wrong = detail(&app, &operator, &as_a("wrong").send().await).await;
    let (live, expired_id, revoked_id) = (&a.credential_id, &expired.credential.id, &revoked.credential.id);
    assert!(wrong.starts_with("the secret matches none of client client-a: it has "), "{wrong}");
    assert!(wrong.contains(&format!("{live} is in force")), "{wrong}");
    let ended = as_a(expired.text.expose()).send().await;
    let expected = format!("it fits credential {expired_id}, which expired at 2027-01-15T08:01:00.750Z");
    assert_eq!(detail(&app, &operator, &ended).await, expected);
    let taken_away = detail(&app, &operator, &as_a(revoked.text.expose()).send().await).await;
    assert_eq!(taken_away, format!("it fits credential {revoked_id}, which was revoked at 2027-01-15T08:00:00.750Z"));
    // All four had one answer.
    let known = explained(&app, &operator, &ended).await;
    assert_eq!(
        (&known["code"], &known["client_id"], &known["credential_id"]),
        (&"CS-2001".into(), &"client-a".into(), &Value::Null)
    );

    let elsewhere = detail(&app, &operator, &app.ask(&a, "audience=https://x.test").await).await;
    assert_eq!(elsewhere, "the authorization server has no resource server with the audience `https://x.test`");
    let wide = detail(&app, &operator, &app.ask(&a, &format!("audience={API1}&scope=admin:all")).await).await;
    assert!(wide.ends_with("does not have `admin:all`; it gives `list:users read:x`"), "{wide}");
}

#[tokio::test]
async fn a_disabled_or_pinned_client_is_told_from_a_wrong_secret() {
    let Fixture { app, z, .. } = Fixture::start(ENGINE).await;
    countersign::management::ensure_resource_server(&app.app).await.unwrap();
    let operator = app.caller("operator-1", &every_right(), None).await;
    let disabled = detail(&app, &operator, &app.ask(&z, "").await).await;
    let right = format!("client client-z is disabled since 2027-01-15T08:00:00.750Z; credential {} is right", z.credential_id);
    assert_eq!(disabled, right);
    let pinned = app.client_pinned_to("pinned", ClientAuthMethod::ClientSecretPost, true).await;
    let answer = app.ask(&pinned, "").await;
    let found = explained(&app, &operator, &answer).await;
    assert_eq!(found["detail"], "the client is pinned to client_secret_post, and the request used client_secret_basic");
    assert_eq!(found["credential_id"], pinned.credential_id.as_str());
}

#[tokio::test]
async fn an_assertion_is_explained_by_what_it_says() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let key = TestKey::generate(Algorithm::ES256, "k1");
    let credential = app.client_with_keys("client-signs", KeySource::Jwks(key.jwks())).await;
    let now = app.clock.now().as_seconds();
    let mine = || key.assertion(&app, "client-signs");
    let cases = [
        (mine().claim("aud", "https://other.test/"), "aud is `https://other.test/`; the issuer is https://as.test/"),
        (mine().claim("aud", serde_json::json!(["https://as.test/"])), "aud is an array; the issuer is https://as.test/"),
        (mine().claim("exp", now - 60), "exp is 2027-01-15T07:59:00.000Z"),
        (mine().claim("nbf", now + 60), "nbf is 2027-01-15T08:01:00.000Z, iat is 2027-01-15T08:00:00.000Z"),
    ];
    for (assertion, expected) in cases {
        let answer = app.ask_with(&assertion.sign(), "").await;
        let found = explained(&app, &operator, &answer).await;
        assert!(found["detail"].as_str().unwrap().contains(expected), "{found}");
        assert_eq!(found["credential_id"], credential.as_str());
    }
    let stranger = TestKey::generate(Algorithm::ES256, "k1");
    let answer = app.ask_with(&stranger.assertion(&app, "client-signs").sign(), "").await;
    let expected = format!("the signature fits no key of client client-signs: it has {credential} is in force");
    assert_eq!(detail(&app, &operator, &answer).await, expected);
}

#[tokio::test]
async fn what_every_endpoint_refuses_is_noted_with_its_route() {
    let Managed { app, a, operator } = Managed::start(ENGINE).await;
    let no_token = app.get("/manage/v1/clients").send().await;
    let answers = [
        (app.post("/oauth2/default/v1/introspect").form("token=x").send().await, "/oauth2/{server}/v1/introspect", 401, "CS-2002"),
        (app.token_request("/oauth/revoke", &a, "").send().await, "/oauth/revoke", 400, "CS-2030"),
        (no_token, "/manage/v1/clients", 401, "CS-1001"),
        (operator.get(&app, "/clients/nobody-here").await, "/manage/v1/clients/{client_id}", 404, "CS-3003"),
        (app.get("/no/such/path?secret=x").send().await, "(no route)", 404, "CS-3005"),
        (app.get("/oauth/token").send().await, "/oauth/token", 405, "CS-3006"),
    ];
    for (answer, route, status, code) in &answers {
        let found = explained(&app, &operator, answer).await;
        assert_eq!((&found["route"], &found["status"], &found["code"]), (&(*route).into(), &(*status).into(), &(*code).into()));
    }
    let by_operator = explained(&app, &operator, &answers[3].0).await;
    assert_eq!(by_operator["client_id"], "operator-1");
    assert_eq!(by_operator["credential_id"], operator.client.credential_id.as_str());
}

#[tokio::test]
async fn a_management_call_that_lacks_a_right_is_explained() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let reader = app.caller("reader-1", "clients:read", None).await;
    let answer = reader.get(&app, "/organizations").await;
    let expected = "the operation needs `organizations:read`; the access token has `clients:read`";
    assert_eq!(detail(&app, &operator, &answer).await, expected);
}

#[tokio::test]
async fn a_refusal_is_found_from_another_node_once_it_is_written() {
    let Managed { app, a, operator } = Managed::start(ENGINE).await;
    let other = app.second_node().await;
    let answer = app.ask(&a, "audience=https://x.test").await;
    let path = format!("/refusals/{}", request_id(&answer));
    operator.get(&other, &path).await.refusal(404, ErrorCode::NotFound);
    jobs::write_refusals(&app.app).await.unwrap();
    assert_eq!(operator.get(&other, &path).await.success(200)["code"], "CS-2109");
}

#[tokio::test]
async fn no_secret_token_or_long_text_is_noted() {
    let Managed { app, a, operator } = Managed::start(ENGINE).await;
    let token = app.ask(&a, &format!("audience={API1}")).await.token().text;
    let long = "x".repeat(5_000);
    app.ask(&a, &format!("audience={}", a.secret)).await;
    app.ask(&a, &format!("audience={token}")).await;
    app.ask(&a, &format!("audience={long}")).await;
    app.ask(&a, &format!("scope={token}")).await;
    app.post("/oauth/token").basic(&a.secret, "x").form(GRANT).send().await;
    app.post("/oauth/token").basic("client-a", &token).form(GRANT).send().await;
    app.get(&format!("/manage/v1/clients/{token}")).send().await;
    operator.get(&app, &format!("/clients/{}", a.secret)).await;
    operator.post(&app, "/clients", serde_json::json!({ "name": "x", "client_id": a.secret.replace('_', "$") })).await;
    let kept = operator.all(&app, "/refusals", 50).await;
    assert_eq!(kept.len(), 9);
    let text = serde_json::to_string(&kept).unwrap();
    for secret in [a.secret.as_str(), &a.secret[5..], &token[..60], token.split('.').nth(1).unwrap(), &long] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert!(text.len() < 9 * 1_500, "{text}");
}

#[tokio::test]
async fn a_list_is_narrowed_by_client_and_code_and_goes_on_with_itself_only() {
    let Managed { app, a, operator } = Managed::start(ENGINE).await;
    for _ in 0..3 {
        app.ask(&a, "audience=https://x.test").await;
        app.ask(&a, "scope=admin:all").await;
        app.post("/oauth/token").basic("nobody-here", "x").form(GRANT).send().await;
    }
    assert_eq!(operator.all(&app, "/refusals", 2).await.len(), 9);
    let list = async |query: &str| operator.get(&app, &format!("/refusals?{query}")).await;
    let of = |answer: &Answer| answer.success(200)["items"].as_array().unwrap().len();
    assert_eq!(of(&list("client_id=client-a").await), 6);
    assert_eq!(of(&list("client_id=client-a&code=CS-2108").await), 3);
    assert_eq!(of(&list("code=CS-2001").await), 3);
    assert_eq!(of(&list("client_id=client-b").await), 0);
    let cursor = list("code=CS-2001&limit=1").await.success(200)["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(of(&list(&format!("code=CS-2001&cursor={cursor}")).await), 2);
    list(&format!("code=CS-2108&cursor={cursor}")).await.refusal(400, ErrorCode::QueryInvalid);
    for query in ["code=CS-1", "client_id=", "code=CS-2001&code=CS-2001", "x=1"] {
        list(query).await.refusal(400, ErrorCode::QueryInvalid);
    }
}

#[tokio::test]
async fn a_caller_of_an_organization_sees_the_refusals_of_its_clients_only() {
    let Managed { app, a, operator } = Managed::start(ENGINE).await;
    let organization = app.organization("Partner").await;
    let limited = app.caller("limited-1", &every_right(), Some(&organization)).await;
    let id = ClientId::try_from("partner-1").unwrap();
    let new = NewClient { id: Some(id.clone()), organization_id: Some(organization), ..NewClient::named("Partner") };
    let own = clients::create(&app.app, &by(), new).await.unwrap();
    let api1 = app.app.catalog().resource_servers().find(|api| api.audience.as_str() == API1).unwrap().id.clone();
    let grant =
        NewClientGrant { client_id: id, resource_server_id: api1, scope: scope("list:users"), token_lifetime_seconds: None };
    clients::grant(&app.app, &by(), grant).await.unwrap();
    let as_own = |form: &str| app.post("/oauth/token").basic("partner-1", own.secret.text.expose()).form(form.to_owned());
    let refused = as_own("grant_type=client_credentials&scope=admin:all").send().await;
    let foreign = app.ask(&a, "scope=admin:all").await;
    let nobody = app.post("/oauth/token").send().await;

    assert_eq!(explained(&app, &limited, &refused).await["code"], "CS-2108");
    for hidden in [&foreign, &nobody] {
        limited.get(&app, &format!("/refusals/{}", request_id(hidden))).await.refusal(404, ErrorCode::NotFound);
        explained(&app, &operator, hidden).await;
    }
    let seen = limited.all(&app, "/refusals", 50).await;
    let mut of_whom: Vec<&str> = seen.iter().map(|item| item["client_id"].as_str().unwrap()).collect();
    of_whom.sort_unstable();
    // Its own, refused just now, are its organization's too.
    assert_eq!(of_whom, ["limited-1", "limited-1", "partner-1"]);
    assert_eq!(limited.get(&app, "/refusals?client_id=client-a").await.success(200)["items"], serde_json::json!([]));
}

#[tokio::test]
async fn a_flood_of_refusals_neither_grows_the_database_nor_hides_others() {
    let refusals = RefusalsConfig { max_per_second: 10, ..RefusalsConfig::default() };
    let Managed { app, a, operator } = Managed::start_with(ENGINE, Setup { refusals, ..Setup::default() }).await;
    for number in 0..200 {
        app.post("/oauth/token").from(&format!("203.0.113.{number}")).send().await;
    }
    let answer = app.ask(&a, "scope=admin:all").await;
    assert_eq!(explained(&app, &operator, &answer).await["code"], "CS-2108");
    let count = "SELECT count(*) FROM refusals";
    assert_eq!(app.database.count(count).await, 6);
    let scrape = app.scrape().await;
    assert_eq!(scrape.value("countersign_refusals_kept_total"), 6.0);
    assert_eq!(scrape.value("countersign_refusals_not_kept_total{reason=\"too_many\"}"), 195.0);
    // A second later there is room again.
    app.clock.advance_seconds(1);
    let later = app.post("/oauth/token").send().await;
    assert_eq!(explained(&app, &operator, &later).await["code"], "CS-2103");
}

#[tokio::test]
async fn what_is_too_old_or_too_many_is_deleted_the_oldest_and_the_unknown_first() {
    let refusals = RefusalsConfig { max_kept: 10, keep_seconds: 3_600, ..RefusalsConfig::default() };
    let Managed { app, a, operator } = Managed::start_with(ENGINE, Setup { refusals, ..Setup::default() }).await;
    let mut of_a = Vec::new();
    for _ in 0..4 {
        of_a.push(app.ask(&a, "scope=admin:all").await);
        app.clock.advance_seconds(1);
    }
    for _ in 0..12 {
        app.post("/oauth/token").send().await;
        app.clock.advance_seconds(1);
    }
    jobs::write_refusals(&app.app).await.unwrap();
    jobs::delete_old_refusals(&app.app).await.unwrap();
    let (count, unknown) = ("SELECT count(*) FROM refusals", "SELECT count(*) FROM refusals WHERE credential_id IS NULL");
    assert_eq!((app.database.count(count).await, app.database.count(unknown).await), (9, 5));
    explained(&app, &operator, &of_a[0]).await;
    // Now those of the client are older than an hour.
    app.clock.advance_seconds(3_590);
    jobs::delete_old_refusals(&app.app).await.unwrap();
    assert_eq!((app.database.count(count).await, app.database.count(unknown).await), (5, 5));
}

#[tokio::test]
async fn refusals_of_a_clock_that_was_ahead_do_not_push_out_those_that_follow() {
    let refusals = RefusalsConfig { max_kept: 4, ..RefusalsConfig::default() };
    let Managed { app, a, operator } = Managed::start_with(ENGINE, Setup { refusals, ..Setup::default() }).await;
    app.clock.advance_seconds(86_400);
    for _ in 0..4 {
        app.ask(&a, "scope=admin:all").await;
    }
    jobs::write_refusals(&app.app).await.unwrap();
    app.clock.advance_seconds(-86_400);
    let refused = app.ask(&a, "scope=admin:all").await;
    jobs::write_refusals(&app.app).await.unwrap();
    jobs::delete_old_refusals(&app.app).await.unwrap();
    assert_eq!(app.database.count("SELECT count(*) FROM refusals").await, 1);
    explained(&app, &operator, &refused).await;
}

#[tokio::test]
async fn a_reader_that_goes_away_takes_no_refusal_along() {
    let Managed { app, a, operator } = Managed::start(ENGINE).await;
    let refused = app.ask(&a, "scope=admin:all").await;
    let kept = async || app.scrape().await.value("countersign_refusals_kept_total");
    let before = kept().await;
    tokio::select! {
        biased;
        _ = refusals::list(&app.app, RefusalFilter::default(), Page::first(10)) => panic!("nothing was written"),
        () = std::future::ready(()) => {}
    }
    jobs::write_refusals(&app.app).await.unwrap();
    assert_eq!(kept().await - before, 1.0);
    explained(&app, &operator, &refused).await;
}

#[tokio::test]
async fn what_cannot_be_written_does_not_pile_up_and_is_counted() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    app.ask(&a, "scope=admin:all").await;
    app.database.execute("ALTER TABLE refusals RENAME TO refusals_elsewhere").await;
    assert!(jobs::write_refusals(&app.app).await.is_err());
    assert_eq!(app.scrape().await.value("countersign_refusals_not_kept_total{reason=\"not_written\"}"), 1.0);
}
