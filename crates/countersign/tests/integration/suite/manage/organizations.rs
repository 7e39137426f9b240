//! `/manage/v1/organizations`.

use countersign_protocol::ErrorCode;
use serde_json::json;

use super::ENGINE;
use crate::support::{Managed, every_right};

const PATH: &str = "/organizations";

#[tokio::test]
async fn one_is_created_shown_listed_changed_and_deleted() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let made = operator.post(&app, PATH, json!({ "name": "Partner" })).await;
    let object = made.success(201);
    let path = made.header("location").unwrap().strip_prefix("/manage/v1").unwrap();
    let shown = operator.get(&app, path).await;
    assert_eq!((shown.success(200), shown.etag()), (object.clone(), made.etag()));
    assert_eq!(operator.all(&app, PATH, 50).await, [object]);
    let changed = operator.patch_if(&app, path, made.etag(), json!({ "name": "Renamed" })).await;
    assert_eq!(changed.success(200)["name"], "Renamed");
    operator.patch_if(&app, path, made.etag(), json!({})).await.refusal(412, ErrorCode::VersionMismatch);
    operator.patch(&app, path, json!({ "name": null })).await.refused_member("/name");
    operator.patch(&app, path, json!({ "name": "" })).await.refused_member("/name");
    operator.delete_if(&app, path, made.etag()).await.refusal(412, ErrorCode::VersionMismatch);
    assert_eq!(operator.delete_if(&app, path, changed.etag()).await.status, 204);
    operator.get(&app, path).await.refusal(404, ErrorCode::NotFound);
}

#[tokio::test]
async fn one_that_owns_a_client_stays() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let id = app.organization("Partner").await;
    let client = operator.post(&app, "/clients", json!({ "name": "x", "organization_id": id.as_str() })).await.success(201);
    let path = format!("{PATH}/{id}");
    operator.delete(&app, &path).await.refusal(409, ErrorCode::StateConflict);
    let client = format!("/clients/{}", client["client_id"].as_str().unwrap());
    operator.patch(&app, &client, json!({ "organization_id": null })).await.success(200);
    assert_eq!(operator.delete(&app, &path).await.status, 204);
}

#[tokio::test]
async fn a_caller_of_one_sees_it_alone() {
    let Managed { app, .. } = Managed::start(ENGINE).await;
    let (own, other) = (app.organization("Own").await, app.organization("Other").await);
    let caller = app.caller("limited-1", &every_right(), Some(&own)).await;
    assert_eq!(caller.ids(&app, PATH).await, [own.to_string()]);
    caller.get(&app, &format!("{PATH}/{own}")).await.success(200);
    caller.get(&app, &format!("{PATH}/{other}")).await.refusal(404, ErrorCode::NotFound);
    caller.patch(&app, &format!("{PATH}/{own}"), json!({ "name": "x" })).await.refusal(403, ErrorCode::LimitedToOrganization);
    caller.delete(&app, &format!("{PATH}/{own}")).await.refusal(403, ErrorCode::LimitedToOrganization);
}
