//! `/decoder`: the page, and what it asks the server.

use countersign::clients;
use countersign::config::BudgetsConfig;
use countersign_protocol::ErrorCode;
use http::Method;
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{Answer, CapturedLog, FORM, Fixture, Setup, TestApp, by};

const GRANT: &str = "grant_type=client_credentials&audience=https://api1.test";

async fn ask(app: &TestApp, question: &Value) -> Answer {
    app.post("/decoder/explain").json(question).send().await
}

async fn report(app: &TestApp, question: &Value) -> Value {
    let answer = ask(app, question).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn result<'a>(report: &'a Value, check: &str) -> &'a str {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|entry| entry["check"] == check).unwrap()["result"].as_str().unwrap()
}

async fn token(fixture: &Fixture) -> String {
    fixture.app.token_request("/oauth/token", &fixture.a, GRANT).send().await.json()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_answer_forbids_the_browser_what_it_does_not_need() {
    let app = TestApp::start(ENGINE).await;
    for (path, media_type) in [
        ("/decoder", "text/html; charset=utf-8"),
        ("/decoder/page.css", "text/css; charset=utf-8"),
        ("/decoder/page.js", "text/javascript; charset=utf-8"),
        ("/decoder/icon.svg", "image/svg+xml"),
    ] {
        let answer = app.get(path).send().await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some(media_type)), "{path}");
        check_headers(&answer);
    }
    let page = app.get("/decoder").send().await;
    // Nothing inline, nothing from elsewhere.
    assert!(!page.text().contains("<style") && !page.text().contains("style="), "{}", page.text());
    for reference in [" src=", " href="] {
        for (_, after) in page.text().match_indices(reference).map(|(at, name)| page.text().split_at(at + name.len())) {
            assert!(after.starts_with("\"/decoder/"), "{after}");
        }
    }
    assert_eq!((page.text().matches("<script").count(), page.text().matches("</script>").count()), (1, 1));
    assert!(page.text().contains(r#"<script type="module" src="/decoder/page.js"></script>"#));
    let refused = app.post("/decoder/explain").form("token=x").send().await;
    assert_eq!((refused.status.as_u16(), refused.header("cache-control")), (415, Some("no-store")));
    check_headers(&refused);
}

#[track_caller]
fn check_headers(answer: &Answer) {
    let policy = answer.header("content-security-policy").unwrap();
    for directive in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"]
    {
        assert!(policy.split("; ").any(|own| own == directive), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn the_verdict_is_that_of_an_api() {
    let fixture = Fixture::start(ENGINE).await;
    let (app, token) = (&fixture.app, token(&fixture).await);
    let good = report(app, &json!({ "token": token, "api": "https://api1.test" })).await;
    assert_eq!((&good["verdict"], result(&good, "revocation")), (&json!("accepted"), "ok"), "{good}");
    let no_api = report(app, &json!({ "token": token })).await;
    assert_eq!(no_api["verdict"], "incomplete", "{no_api}");
    let other = report(app, &json!({ "token": token, "api": "https://api1.test/", "needs": ["no:such"] })).await;
    assert_eq!((result(&other, "audience"), result(&other, "scope")), ("failed", "failed"), "{other}");
    assert_eq!(other["code"], ErrorCode::AudienceMismatch.as_str());
    let opaque = report(app, &json!({ "token": "nonsense" })).await;
    assert_eq!((&opaque["verdict"], &opaque["code"]), (&json!("refused"), &json!("CS-1005")), "{opaque}");

    clients::disable(&app.app, &by(), &fixture.a.id).await.unwrap();
    let disabled = report(app, &json!({ "token": token, "api": "https://api1.test" })).await;
    assert_eq!((&disabled["code"], result(&disabled, "revocation")), (&json!("CS-1301"), "failed"), "{disabled}");
}

#[tokio::test]
async fn of_a_token_whose_signature_failed_nothing_is_told_and_of_none_anything_logged() {
    let log = CapturedLog::start();
    let fixture = Fixture::start(ENGINE).await;
    let token = token(&fixture).await;
    let (input, signature) = token.rsplit_once('.').unwrap();
    let changed = format!("{}{}", if signature.starts_with('A') { "B" } else { "A" }, &signature[1..]);
    let forged = format!("{input}.{changed}");
    let answer = ask(&fixture.app, &json!({ "token": forged, "api": "https://elsewhere.test" })).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let text = answer.text();
    assert!(!text.contains("api1.test") && !text.contains(fixture.a.id.as_str()), "{text}");
    let report = answer.json();
    assert_eq!((result(&report, "signature"), result(&report, "audience")), ("failed", "not_judged"), "{text}");
    let _ = ask(&fixture.app, &json!({ "token": token })).await;
    let logged = log.text();
    assert!(logged.contains("/decoder/explain"), "{logged}");
    for secret in [input, signature, &changed, input.split_once('.').unwrap().1] {
        assert!(!logged.contains(secret), "{logged}");
    }
}

#[tokio::test]
async fn questions_that_are_none_are_refused_and_too_many_wait() {
    let app = TestApp::start(ENGINE).await;
    for (body, status, code) in [
        (r#"{"token":"a","tokens":"b"}"#.to_owned(), 400, "CS-2101"),
        ("{}".to_owned(), 400, "CS-2101"),
        (r#"{"token":"a","api":"a b"}"#.to_owned(), 400, "CS-3001"),
        (format!(r#"{{"token":"{}"}}"#, "a".repeat(70_000)), 413, "CS-2104"),
    ] {
        let refused = app.post("/decoder/explain").header("content-type", "application/json").body(body).send().await;
        assert_eq!((refused.status.as_u16(), refused.header("countersign-error")), (status, Some(code)));
    }
    // The token is taken from the body alone, and by POST alone.
    assert_eq!(app.get("/decoder/explain?token=a").send().await.status, 405);
    let form = app.request(Method::POST, "/decoder/explain?token=a").header("content-type", FORM).send().await;
    assert_eq!(form.status, 415);

    let budgets = BudgetsConfig { source_requests_per_second: 1, ..BudgetsConfig::default() };
    let app = TestApp::start_with(ENGINE, Setup { budgets, ..Setup::default() }).await;
    let mut answers = Vec::new();
    for _ in 0..11 {
        answers.push(ask(&app, &json!({ "token": "a" })).await.status.as_u16());
    }
    assert_eq!(answers, [vec![200; 10], vec![429]].concat());
}
