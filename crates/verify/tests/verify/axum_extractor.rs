//! The axum extractor and the layer in a real router.

use axum::extract::FromRef;
use axum::routing::get;
use axum::{Extension, Router};
use countersign_verify::axum::Token;
use countersign_verify::{Requirements, Verified, Verifier, scopes};
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use crate::support::World;

scopes! {
    ListUsers = all("list:users");
    Admin = any("admin", "users:write");
}

#[derive(Clone)]
struct AppState {
    verifier: Verifier,
}

impl FromRef<AppState> for Verifier {
    fn from_ref(state: &AppState) -> Self {
        state.verifier.clone()
    }
}

async fn whoami(token: Token) -> String {
    token.client_id().unwrap().to_owned()
}

async fn list(token: Token<ListUsers>) -> String {
    let shown = format!("{token:?}");
    format!("{shown} {}", token.into_inner().scopes())
}

async fn wipe(_: Token<Admin>) {
    unreachable!("the handler does not run");
}

async fn layered(Extension(verified): Extension<Verified>) -> String {
    verified.token_id().unwrap().to_owned()
}

fn app(world: &World) -> Router {
    let gold = world.verifier.layer().require(Requirements::none().claim("tier", "gold"));
    Router::new()
        .route("/whoami", get(whoami))
        .route("/users", get(list).delete(wipe))
        .route("/gold", get(layered).layer(gold))
        .with_state(AppState { verifier: world.verifier.clone() })
}

/// Status, challenge, body.
async fn send(world: &World, method: &str, path: &str, token: Option<&str>) -> (u16, Option<String>, String) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let response = app(world).oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let challenge = response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned());
    if status >= 400 {
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    }
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, challenge, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_handler_runs_with_a_token_that_is_enough() {
    let world = World::new().await;
    let token = world.token(&json!({}));
    assert_eq!(send(&world, "GET", "/whoami", Some(&token)).await, (200, None, "demo-client".to_owned()));
    let (status, _, body) = send(&world, "GET", "/users", Some(&token)).await;
    assert_eq!((status, body.ends_with("list:users read:users")), (200, true));
}

#[tokio::test]
async fn a_handler_does_not_run_without_one() {
    let world = World::new().await;
    let (status, challenge, body) = send(&world, "GET", "/whoami", None).await;
    assert_eq!((status, challenge.as_deref()), (401, Some(r#"Bearer realm="api""#)));
    assert!(body.contains("CS-1001"), "{body}");
    let (status, challenge, _) = send(&world, "DELETE", "/users", Some(&world.token(&json!({})))).await;
    assert_eq!(status, 403);
    assert!(challenge.unwrap().ends_with(r#"scope="admin""#));
    let (status, _, body) = send(&world, "GET", "/users", Some("x.y.z")).await;
    assert_eq!((status, body.contains("CS-1006")), (401, true));
}

#[tokio::test]
async fn the_layer_protects_a_route() {
    let world = World::new().await;
    let gold = world.token(&json!({ "tier": "gold" }));
    assert_eq!(send(&world, "GET", "/gold", Some(&gold)).await.2, "jti-1");
    let (status, _, body) = send(&world, "GET", "/gold", Some(&world.token(&json!({ "tier": "silver" })))).await;
    assert_eq!((status, body.contains("CS-1205")), (403, true));
    assert_eq!(send(&world, "GET", "/gold", None).await.0, 401);
}
