//! Bodies are read strictly, the same by every operation.

use countersign_protocol::ErrorCode;
use http::Method;
use serde_json::json;

use super::ENGINE;
use crate::support::{JSON, Managed};

const PATHS: [&str; 3] = ["/clients", "/organizations", "/clients/client-a"];

fn method(path: &str) -> Method {
    if path == "/clients/client-a" { Method::PATCH } else { Method::POST }
}

#[tokio::test]
async fn unknown_members_are_refused_by_name() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    for path in PATHS {
        let body = json!({ "name": "x", "nmae": "x" });
        let answer = operator.request(&app, method(path), path).json(&body).send().await;
        let detail = answer.refused_member("/nmae");
        assert!(detail.contains("unknown field `nmae`"), "{detail}");
    }
}

#[tokio::test]
async fn members_that_are_there_twice_are_refused_at_any_depth() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    for path in PATHS {
        let send = async |body: &'static str| {
            operator.request(&app, method(path), path).header("content-type", JSON).body(body).send().await
        };
        send(r#"{"name":"x","name":"y"}"#).await.refusal(400, ErrorCode::FieldInvalid);
        send(r#"{"name":"x","na\u006de":"y"}"#).await.refusal(400, ErrorCode::FieldInvalid);
        if path != "/organizations" {
            send(r#"{"name":"x","metadata":{"a":1,"a":2}}"#).await.refusal(400, ErrorCode::FieldInvalid);
            send(r#"{"name":"x","metadata":{"a":[{"b":1,"b":2}]}}"#).await.refusal(400, ErrorCode::FieldInvalid);
        }
    }
    assert_eq!(app.database.count("SELECT count(*) FROM clients WHERE name = 'x'").await, 0);
}

#[tokio::test]
async fn wrong_types_are_refused_with_a_pointer() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    for (member, value) in [
        ("name", json!(7)),
        ("name", json!(null)),
        ("name", json!(["x"])),
        ("token_endpoint_auth_method", json!(true)),
        ("token_endpoint_auth_method_enforced", json!("true")),
        ("metadata", json!("{}")),
        ("external_id", json!(1)),
    ] {
        for path in ["/clients", "/clients/client-a"] {
            let mut body = json!({ "name": "x" });
            body[member] = value.clone();
            let answer = operator.request(&app, method(path), path).json(&body).send().await;
            answer.refused_member(&format!("/{member}"));
        }
    }
}

#[tokio::test]
async fn what_is_not_one_json_object_is_refused() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    for path in PATHS {
        let request = || operator.request(&app, method(path), path);
        for body in ["", "{", "{\"name\":\"x\"} {}", "\u{feff}{}", "{\"name\":\"\u{7}\"}"] {
            let answer = request().header("content-type", JSON).body(body).send().await;
            answer.refusal(400, ErrorCode::BodyMalformed);
        }
        for body in ["null", "[]", "\"x\"", "7"] {
            let answer = request().header("content-type", JSON).body(body).send().await;
            answer.refusal(400, ErrorCode::FieldInvalid);
        }
        for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"] {
            let answer = request().header("content-type", media_type).body("{\"name\":\"x\"}").send().await;
            answer.refusal(415, ErrorCode::ContentTypeUnsupported);
        }
        let huge = format!("{{\"name\":\"{}\"}}", "x".repeat(70_000));
        let answer = request().header("content-type", JSON).body(huge).send().await;
        answer.refusal(413, ErrorCode::BodyTooLarge);
    }
}

#[tokio::test]
async fn l177_bodies_that_are_deep_or_wide_are_refused_before_anything_is_done() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let deep = |open: &str, close: &str, times: usize| {
        format!(r#"{{"name":"l177","metadata":{{"a":{}1{}}}}}"#, open.repeat(times), close.repeat(times))
    };
    let wide = |name: fn(usize) -> String, members: usize| {
        let members: Vec<String> = (0..members).map(|number| format!(r#""{}":1"#, name(number))).collect();
        format!(r#"{{"name":"l177","metadata":{{{}}}}}"#, members.join(","))
    };
    let refusals = [
        (deep("[", "]", 30_000), 400, ErrorCode::BodyMalformed),
        (deep(r#"{"a":"#, "}", 10_000), 400, ErrorCode::BodyMalformed),
        (deep("[", "]", 50_000), 413, ErrorCode::BodyTooLarge),
        (wide(|number| format!("k{number}"), 5_000), 400, ErrorCode::FieldInvalid),
        (wide(|_| "k".to_owned(), 8_000), 400, ErrorCode::FieldInvalid),
        (wide(|number| format!("k{number}"), 1_000_000), 413, ErrorCode::BodyTooLarge),
    ];
    let written = app.app.store.statements_run().1;
    for path in PATHS.into_iter().filter(|path| *path != "/organizations") {
        for (body, status, code) in &refusals {
            let request = operator.request(&app, method(path), path).header("content-type", JSON);
            request.body(body.clone()).send().await.refusal(*status, *code);
        }
    }
    assert_eq!(app.app.store.statements_run().1, written);
    assert_eq!(app.database.count("SELECT count(*) FROM clients WHERE name = 'l177'").await, 0);
}

#[tokio::test]
async fn entity_tags_are_read_strictly() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    for tag in ["1", "\"x\"", "W/\"1\"", "\"1\", \"2\"", ""] {
        operator.patch_if(&app, "/clients/client-a", tag, json!({})).await.refusal(400, ErrorCode::QueryInvalid);
    }
    operator.patch_if(&app, "/clients/client-a", "*", json!({})).await.success(200);
}
