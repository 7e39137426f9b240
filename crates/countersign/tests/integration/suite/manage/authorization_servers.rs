//! `/manage/v1/authorization-servers` and their mounts.

use countersign_protocol::ErrorCode;
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{Managed, Setup, api, issuer_id};

const PATH: &str = "/authorization-servers";

async fn start() -> Managed {
    let setup = Setup { bases: &["https://as.test", "https://partner.test"], ..Setup::default() };
    Managed::start_with(ENGINE, setup).await
}

#[tokio::test]
async fn one_is_created_shown_listed_changed_and_deleted() {
    let Managed { app, operator, .. } = start().await;
    let made = operator.post(&app, PATH, json!({ "id": "second", "name": "Second", "signing_alg": "ES256" })).await;
    let object = made.success(201);
    assert_eq!(
        object,
        json!({
            "id": "second", "name": "Second", "signing_alg": "ES256", "rotation_interval_seconds": 7_776_000, "status_lists": false,
            "created_at": "2027-01-15T08:00:00.750Z", "updated_at": "2027-01-15T08:00:00.750Z",
        })
    );
    let path = made.header("location").unwrap().strip_prefix("/manage/v1").unwrap();
    let shown = operator.get(&app, path).await;
    assert_eq!((shown.success(200), shown.etag()), (object, made.etag()));
    assert_eq!(operator.ids(&app, PATH).await, ["default", "second"]);
    assert_eq!(app.get("/oauth2/second/v1/keys").send().await.status, 200);

    app.clock.advance_seconds(1);
    let changed = operator.patch_if(&app, path, made.etag(), json!({ "name": "Other" })).await;
    let object = changed.success(200);
    assert_eq!((&object["name"], &object["signing_alg"]), (&json!("Other"), &json!("ES256")));
    assert_eq!(object["updated_at"], "2027-01-15T08:00:01.750Z");
    assert_eq!(operator.get(&app, path).await.etag(), changed.etag());
    operator.patch_if(&app, path, made.etag(), json!({ "name": "x" })).await.refusal(412, ErrorCode::VersionMismatch);
    operator.delete_if(&app, path, made.etag()).await.refusal(412, ErrorCode::VersionMismatch);

    assert_eq!(operator.delete_if(&app, path, changed.etag()).await.status, 204);
    operator.get(&app, path).await.refusal(404, ErrorCode::NotFound);
    operator.delete(&app, path).await.refusal(404, ErrorCode::NotFound);
    assert_eq!(app.get("/oauth2/second/v1/keys").send().await.status, 404);
    assert_eq!(app.database.count("SELECT count(*) FROM signing_keys WHERE authorization_server_id = 'second'").await, 0);
    assert_eq!(operator.ids(&app, PATH).await, ["default"]);
}

#[tokio::test]
async fn the_algorithm_becomes_one_that_there_are_keys_for_and_no_other() {
    let Managed { app, operator, a, .. } = start().await;
    let path = format!("{PATH}/default");
    let detail = operator.patch(&app, &path, json!({ "signing_alg": "EdDSA" })).await.refused_member("/signing_alg");
    assert!(detail.contains("an algorithm that it has keys for: ES256"), "{detail}");
    let mut brings_keys = api("https://eddsa.test", "s");
    brings_keys.signing_alg = countersign_protocol::jose::Algorithm::from_name("EdDSA");
    app.resource_server(brings_keys).await;
    operator.patch(&app, &path, json!({ "signing_alg": "EdDSA" })).await.success(200);
    assert_eq!(app.ask(&a, "").await.token().alg(), "EdDSA");
}

#[tokio::test]
async fn default_and_one_with_resource_servers_stay() {
    let Managed { app, operator, .. } = start().await;
    operator.delete(&app, &format!("{PATH}/default")).await.refusal(409, ErrorCode::StateConflict);
    operator.post(&app, PATH, json!({ "id": "second", "name": "x", "signing_alg": "ES256" })).await.success(201);
    let mut owned = api("https://owned.test", "s");
    owned.authorization_server_id = issuer_id("second");
    let owned = app.resource_server(owned).await;
    let refusal = operator.delete(&app, &format!("{PATH}/second")).await.refusal(409, ErrorCode::StateConflict);
    assert!(refusal.contains("resource servers belong to"), "{refusal}");
    assert_eq!(operator.delete(&app, &format!("/resource-servers/{}", owned.id)).await.status, 204);
    assert_eq!(operator.delete(&app, &format!("{PATH}/second")).await.status, 204);
}

#[tokio::test]
async fn ids_names_and_algorithms_are_checked() {
    let Managed { app, operator, .. } = start().await;
    for (body, pointer) in [
        (json!({ "id": "v1", "name": "x" }), "/id"),
        (json!({ "id": "Upper", "name": "x" }), "/id"),
        (json!({ "id": "ok-id", "name": "" }), "/name"),
        (json!({ "id": "ok-id", "name": "x", "signing_alg": "HS256" }), "/signing_alg"),
        (json!({ "id": "ok-id", "name": "x", "default_audience": "" }), "/default_audience"),
    ] {
        operator.post(&app, PATH, body).await.refused_member(pointer);
    }
    operator.post(&app, PATH, json!({ "id": "default", "name": "x" })).await.refusal(409, ErrorCode::AlreadyExists);
    assert_eq!(operator.ids(&app, PATH).await, ["default"]);
}

#[tokio::test]
async fn a_mount_at_a_base_url_serves_until_it_is_deleted() {
    let Managed { app, operator, .. } = start().await;
    operator.post(&app, PATH, json!({ "id": "second", "name": "x", "signing_alg": "ES256" })).await.success(201);
    let mounts = format!("{PATH}/second/mounts");
    let issuer = async || {
        let metadata = app.get("/.well-known/openid-configuration").host("partner.test").send().await;
        let keys = metadata.json()["jwks_uri"].as_str().unwrap().to_owned();
        let path = keys.strip_prefix("https://partner.test").unwrap().to_owned();
        app.get(&path).host("partner.test").send().await.json()
    };
    let of_default = issuer().await;
    app.clock.advance_seconds(1);
    let made = operator.post(&app, &mounts, json!({ "base_url": "https://partner.test" })).await;
    assert_eq!(
        made.success(201),
        json!({
            "base_url": "https://partner.test", "path": "/", "issuers": ["https://partner.test/"], "default_audience": null,
            "built_in": false, "created_at": "2027-01-15T08:00:01.750Z",
        })
    );
    assert_ne!(issuer().await, of_default);
    operator.post(&app, &mounts, json!({ "base_url": "https://partner.test" })).await.refusal(409, ErrorCode::AlreadyExists);
    operator.post(&app, &mounts, json!({ "base_url": "https://elsewhere.test" })).await.refused_member("/base_url");

    let listed = operator.all(&app, &mounts, 1).await;
    let seen: Vec<(&Value, &Value)> = listed.iter().map(|mount| (&mount["path"], &mount["built_in"])).collect();
    assert_eq!(seen, [(&json!("/oauth2/second"), &json!(true)), (&json!("/"), &json!(false))]);

    let path = made.header("location").unwrap().strip_prefix("/manage/v1").unwrap().to_owned();
    assert!(path.ends_with("/mounts/https%3A%2F%2Fpartner.test"), "{path}");
    assert_eq!(operator.delete(&app, &path).await.status, 204);
    assert_eq!(issuer().await, of_default);
    operator.delete(&app, &path).await.refusal(404, ErrorCode::NotFound);
}

#[tokio::test]
async fn built_in_mounts_and_those_of_another_server_are_not_deleted() {
    let Managed { app, operator, .. } = start().await;
    operator.post(&app, PATH, json!({ "id": "second", "name": "x", "signing_alg": "ES256" })).await.success(201);
    operator.post(&app, &format!("{PATH}/second/mounts"), json!({ "base_url": "https://partner.test" })).await.success(201);
    let before = app.database.count("SELECT count(*) FROM mounts").await;
    for path in [
        "default/mounts/https%3A%2F%2Fas.test",
        "default/mounts/https%3A%2F%2Fpartner.test",
        "default/mounts/%2F",
        "second/mounts/%20",
    ] {
        operator.delete(&app, &format!("{PATH}/{path}")).await.refusal(404, ErrorCode::NotFound);
    }
    operator.delete(&app, &format!("{PATH}/default/mounts/%FF")).await.assert_problem(404, ErrorCode::NoSuchPath);
    assert_eq!(app.database.count("SELECT count(*) FROM mounts").await, before);
}

#[tokio::test]
async fn how_long_its_keys_sign_is_set_and_bounded() {
    let Managed { app, operator, .. } = start().await;
    let path = format!("{PATH}/default");
    let slower = operator.patch(&app, &path, json!({ "rotation_interval_seconds": 2_592_000 })).await.success(200);
    assert_eq!(slower["rotation_interval_seconds"], 2_592_000);
    assert_eq!(operator.get(&app, &path).await.success(200)["rotation_interval_seconds"], 2_592_000);
    operator.patch(&app, &path, json!({ "rotation_interval_seconds": 60 })).await.refused_member("/rotation_interval_seconds");
}
