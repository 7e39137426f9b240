//! Credentials, revocations and signing keys through the API.

use countersign_protocol::jose::Algorithm;
use countersign_protocol::{ClientId, ErrorCode};
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{Caller, CapturedLog, Managed, TestApp, TestKey, every_right};

async fn operator(app: &TestApp) -> Caller {
    app.caller("operator-9", &every_right(), None).await
}

fn member<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_else(|| panic!("{name} of {answer}"))
}

#[tokio::test]
async fn a_secret_is_made_used_rotated_with_overlap_and_revoked() {
    let log = CapturedLog::start();
    let Managed { app, a, .. } = Managed::start(ENGINE).await;
    let operator = operator(&app).await;
    let new = json!({ "label": "second", "kind": "secret", "expires_at": "2099-01-01T00:00:00Z" });
    let made = operator.post(&app, "/clients/client-a/credentials", new).await.success(201);
    let (id, secret) = (member(&made, "id").to_owned(), member(&made, "client_secret").to_owned());
    assert_eq!((member(&made, "kind"), member(&made, "state")), ("secret", "active"));
    assert_eq!(member(&made, "created_by"), "client:operator-9");
    let with = |secret: &str| crate::support::TestClient { secret: secret.to_owned(), ..a.clone() };
    app.ask(&with(&secret), "").await.token();

    let path = format!("/clients/client-a/credentials/{id}");
    let rotated = operator.post(&app, &format!("{path}/rotate"), json!({ "overlap_seconds": 60 })).await.success(201);
    let new_secret = member(&rotated, "client_secret").to_owned();
    assert_eq!(member(&rotated, "previous_credential_id"), id);
    app.ask(&with(&secret), "").await.token();
    app.ask(&with(&new_secret), "").await.token();
    assert_eq!(member(&operator.get(&app, &path).await.success(200), "state"), "rotated");
    operator.post(&app, &format!("{path}/rotate"), json!({})).await.refusal(409, ErrorCode::StateConflict);
    app.clock.advance_seconds(61);
    assert_eq!(app.ask(&with(&secret), "").await.status, 401);
    app.ask(&with(&new_secret), "").await.token();

    let operator = app.caller("operator-10", &every_right(), None).await;
    let new_path = format!("/clients/client-a/credentials/{}", member(&rotated, "id"));
    assert_eq!(operator.delete(&app, &new_path).await.status, 204);
    assert_eq!(app.ask(&with(&new_secret), "").await.status, 401);
    assert_eq!(member(&operator.get(&app, &new_path).await.success(200), "state"), "revoked");
    // The secrets themselves are nowhere but in the replies.
    let listed = operator.get(&app, "/clients/client-a/credentials").await.success(200).to_string();
    for secret in [&secret, &new_secret] {
        assert!(!listed.contains(secret.as_str()) && !log.text().contains(secret.as_str()));
    }
}

#[tokio::test]
async fn keys_are_registered_and_private_ones_are_refused_unseen() {
    let Managed { app, .. } = Managed::start(ENGINE).await;
    let operator = operator(&app).await;
    let key = TestKey::generate(Algorithm::ES256, "key-1");
    let jwks: Value = serde_json::from_str(&key.jwks()).unwrap();
    let new = json!({ "name": "Signer", "client_id": "signer-1", "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks });
    let made = operator.post(&app, "/clients", new).await.success(201);
    assert!(made.get("client_secret").is_none(), "{made}");
    let listed = operator.get(&app, "/clients/signer-1/credentials").await.success(200);
    assert_eq!((&listed["items"][0]["kind"], &listed["items"][0]["key_ids"]), (&json!("jwks"), &json!(["key-1"])));
    assert_eq!(listed["items"][0]["jwks"]["keys"][0]["x"], jwks["keys"][0]["x"]);

    let mut private = jwks.clone();
    private["keys"][0]["d"] = json!("c2VjcmV0LXZhbHVl");
    let refused =
        operator.post(&app, "/clients/signer-1/credentials", json!({ "label": "x", "kind": "jwks", "jwks": private })).await;
    assert!(!refused.text().contains("c2VjcmV0LXZhbHVl") && refused.text().contains("`d`"));
    refused.refusal(400, ErrorCode::FieldInvalid);
    for (body, member) in [
        (json!({ "label": "x", "kind": "jwks" }), "/kind"),
        (json!({ "label": "x", "kind": "secret", "jwks_uri": "https://x.test" }), "/kind"),
        (json!({ "label": "x", "kind": "password" }), "/kind"),
        (json!({ "label": "x", "kind": "secret", "expires_at": "tomorrow" }), "/expires_at"),
    ] {
        operator.post(&app, "/clients/signer-1/credentials", body).await.refused_member(member);
    }
}

#[tokio::test]
async fn a_client_without_a_credential_authenticates_once_it_is_given_one() {
    let Managed { app, a, .. } = Managed::start(ENGINE).await;
    let operator = operator(&app).await;
    for method in ["client_secret_basic", "private_key_jwt"] {
        let id = format!("bare-{method}");
        let new = json!({ "name": "Bare", "client_id": id, "token_endpoint_auth_method": method, "make_secret": false });
        let made = operator.post(&app, "/clients", new).await.success(201);
        assert_eq!((&made["credential_id"], made.get("client_secret")), (&Value::Null, None), "{made}");
        let path = format!("/clients/{id}/credentials");
        assert_eq!(operator.get(&app, &path).await.success(200)["items"], json!([]));
        let client_id = ClientId::try_from(id.as_str()).unwrap();
        let with = |secret: &str| crate::support::TestClient { id: client_id.clone(), secret: secret.to_owned(), ..a.clone() };
        assert_eq!(app.ask(&with(""), "").await.status, 401);
        let given = operator.post(&app, &path, json!({ "label": "first", "kind": "secret" })).await.success(201);
        assert_ne!(app.ask(&with(member(&given, "client_secret")), "").await.status, 401);
    }
    // Unless that is said, a client that is to sign needs its keys.
    let new = json!({ "name": "Signer", "token_endpoint_auth_method": "private_key_jwt" });
    operator.post(&app, "/clients", new).await.refused_member("/token_endpoint_auth_method");
}

#[tokio::test]
async fn a_client_rotates_its_own_secret_and_nobody_elses() {
    let Managed { app, .. } = Managed::start(ENGINE).await;
    let partner = app.caller("partner-1", "credentials:rotate_own", None).await;
    let rotated = partner.post(&app, "/credentials/rotate-own", json!({ "overlap_seconds": 0 })).await.success(201);
    assert_eq!(member(&rotated, "client_id"), "partner-1");
    let path = "/clients/client-a/credentials";
    partner.post(&app, path, json!({ "label": "x", "kind": "secret" })).await.refusal(401, ErrorCode::ClientRevoked);
    let new = crate::support::TestClient { secret: member(&rotated, "client_secret").to_owned(), ..partner.client.clone() };
    app.ask(&new, &format!("audience={}", crate::support::MANAGEMENT)).await.token();
    assert_eq!(app.ask(&partner.client, &format!("audience={}", crate::support::MANAGEMENT)).await.status, 401);
}

#[tokio::test]
async fn revocations_reach_what_they_name_and_a_limited_caller_only_its_own() {
    let Managed { app, a, .. } = Managed::start(ENGINE).await;
    let operator = operator(&app).await;
    let token = app.ask(&a, "").await.token().text;
    operator.post(&app, "/revocations", json!({ "kind": "token", "value": token })).await.success(200);
    assert!(!app.introspect(&a, &token).await.is_active());
    let second = app.ask(&a, "").await.token().text;
    operator.post(&app, "/revocations", json!({ "kind": "cred", "value": a.credential_id.as_str() })).await.success(200);
    assert_eq!(app.ask(&a, "").await.status, 401);
    let marks = operator.get(&app, "/revocations").await.success(200);
    assert_eq!((&marks["items"][0]["kind"], &marks["items"][0]["value"]), (&json!("cred"), &json!(a.credential_id.as_str())));
    assert!(!second.is_empty());

    let owner = app.organization("Owner").await;
    let limited = app.caller("limited-1", &every_right(), Some(&owner)).await;
    for (body, code) in [
        (json!({ "kind": "client", "value": "client-b" }), ErrorCode::NotFound),
        (json!({ "kind": "client", "value": "unknown-client" }), ErrorCode::NotFound),
    ] {
        limited.post(&app, "/revocations", body.clone()).await.refusal(404, code);
    }
    for body in [json!({ "kind": "all" }), json!({ "kind": "sub", "value": "x" }), json!({ "kind": "kid", "value": "sk_x" })] {
        limited.post(&app, "/revocations", body.clone()).await.refusal(403, ErrorCode::LimitedToOrganization);
    }
    operator.post(&app, "/revocations", json!({ "kind": "everything" })).await.refusal(400, ErrorCode::FieldInvalid);
    operator.post(&app, "/revocations", json!({ "kind": "kid", "value": "sk_unknown" })).await.refusal(404, ErrorCode::NotFound);
}

#[tokio::test]
async fn g107_signing_keys_are_listed_rotated_and_withdrawn_but_never_shown() {
    let Managed { app, a, .. } = Managed::start(ENGINE).await;
    let operator = operator(&app).await;
    let keys = "/authorization-servers/default/signing-keys";
    let listed = operator.get(&app, keys).await.success(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains("sealed"));
    let active = |listed: &Value| {
        let items = listed["items"].as_array().unwrap().clone();
        items.iter().find(|key| key["state"] == "active").unwrap()["id"].as_str().unwrap().to_owned()
    };
    let first = active(&listed);
    let young = operator.post(&app, &format!("{keys}/rotate"), json!({ "alg": "ES256" })).await;
    young.refusal(409, ErrorCode::StateConflict);
    app.clock.advance_seconds(301);
    let expecting = json!({ "alg": "ES256", "expected_active": first });
    let rotated = operator.post(&app, &format!("{keys}/rotate"), expecting.clone()).await.success(200);
    assert_eq!(member(&rotated, "retiring"), first);
    // The same request once more expects a key that is not active any more.
    operator.post(&app, &format!("{keys}/rotate"), expecting.clone()).await.refusal(409, ErrorCode::StateConflict);
    assert_eq!(app.ask(&a, "").await.token().kid(), member(&rotated, "active"));
    let withdrawn = operator.post(&app, &format!("{keys}/rotate"), json!({ "alg": "ES256", "emergency": true })).await.success(200);
    assert_eq!(withdrawn["withdrawn"], json!([member(&rotated, "active")]));
    let refused = operator.post(&app, &format!("{keys}/rotate"), json!({ "alg": "ES256", "replace_successor": true })).await;
    refused.refused_member("/replace_successor");
}
