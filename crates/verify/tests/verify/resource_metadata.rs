//! What an API says of itself (RFC 9728), and that every challenge says where.

use countersign_verify::{BuildError, Requirements, ResourceMetadata, TrustedIssuer, VerifierBuilder};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use serde_json::{Value, json};

use crate::support::{Documents, ISSUER, World};

const RESOURCE: &str = "https://api1.test/users";
const URL: &str = "https://api1.test/.well-known/oauth-protected-resource/users";
const PATH: &str = "/.well-known/oauth-protected-resource/users";

fn described(builder: VerifierBuilder) -> VerifierBuilder {
    let metadata = ResourceMetadata::new(RESOURCE).name("Users API").scopes(["list:users"]).documentation("https://docs.test");
    builder.realm("users").resource_metadata(metadata)
}

fn ask(world: &World, method: &str, path: &str) -> Option<Response<String>> {
    let request = Request::builder().method(method).uri(path).body(()).unwrap();
    world.verifier.resource_metadata().unwrap().answer(&request)
}

#[tokio::test]
async fn every_challenge_says_where_the_metadata_is() {
    let world = World::with(described).await;
    let tail = format!(r#", resource_metadata="{URL}""#);
    let none = world.verifier.verify_now(&HeaderMap::new()).unwrap_err();
    assert_eq!(none.challenge().unwrap(), format!(r#"Bearer realm="users"{tail}"#));
    let expired = world.verify(&world.token_for(-600)).await.unwrap_err();
    let begin = r#"Bearer realm="users", error="invalid_token", error_description="The token has expired.""#;
    assert_eq!(expired.challenge().unwrap(), format!("{begin}{tail}"));
    let verified = world.verify(&world.token(&json!({}))).await.unwrap();
    let poor = world.verifier.require(&verified, &Requirements::all(["admin"])).unwrap_err();
    assert!(poor.challenge().unwrap().ends_with(&format!(r#", scope="admin"{tail}"#)), "{poor:?}");
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, "Bearer".parse().unwrap());
    assert!(world.verifier.verify_now(&headers).unwrap_err().challenge().unwrap().ends_with(&tail));
}

#[tokio::test]
async fn the_document_names_the_resource_and_every_issuer() {
    let world = World::with(|builder| described(builder).issuer(TrustedIssuer::new("https://ci.test"))).await;
    let response = ask(&world, "GET", PATH).unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(
        serde_json::from_str::<Value>(response.body()).unwrap(),
        json!({
            "resource": RESOURCE,
            "authorization_servers": [ISSUER, "https://ci.test"],
            "scopes_supported": ["list:users"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Users API",
            "resource_documentation": "https://docs.test",
        })
    );
    assert_eq!(world.verifier.resource_metadata().unwrap().url(), URL);
}

#[tokio::test]
async fn it_answers_at_its_path_only_and_reads_nothing() {
    let world = World::with(described).await;
    for path in ["/", "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/users/", "/users"] {
        assert!(ask(&world, "GET", path).is_none(), "{path}");
    }
    assert_eq!(ask(&world, "GET", &format!("{PATH}?x=1")).unwrap().status(), 200);
    let head = ask(&world, "HEAD", PATH).unwrap();
    assert_eq!((head.status().as_u16(), head.body().as_str()), (200, ""));
    let preflight = ask(&world, "OPTIONS", PATH).unwrap();
    assert_eq!((preflight.status().as_u16(), &preflight.headers()["access-control-allow-headers"]), (204, &"*".parse().unwrap()));
    let post = ask(&world, "POST", PATH).unwrap();
    assert_eq!((post.status().as_u16(), &post.headers()["allow"]), (405, &"GET, HEAD, OPTIONS".parse().unwrap()));
}

#[tokio::test]
async fn without_metadata_nothing_is_said_and_nothing_is_served() {
    let world = World::new().await;
    assert!(world.verifier.resource_metadata().is_none());
    #[cfg(feature = "tower")]
    assert!(world.verifier.metadata_service::<String>().is_none());
}

#[test]
fn a_resource_that_is_no_url_is_an_error_of_build() {
    for resource in ["", "users", "urn:users", "https://api1.test?x", "https://api1.test#x", "https://api1.test/{id}"] {
        let builder = countersign_verify::Verifier::builder(ISSUER, "a").fetch(Documents::default());
        let built = builder.resource_metadata(ResourceMetadata::new(resource)).build();
        assert!(matches!(built, Err(BuildError::Resource(_))), "{resource}");
    }
}

#[cfg(feature = "tower")]
#[tokio::test]
async fn the_service_answers_404_elsewhere() {
    use tower::ServiceExt as _;
    let world = World::with(described).await;
    for (path, status) in [(PATH, 200), ("/users", 404)] {
        let service = world.verifier.metadata_service::<String>().unwrap();
        let response = service.oneshot(Request::builder().uri(path).body(()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
    }
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn a_router_serves_it_without_a_token() {
    use tower::ServiceExt as _;
    // A path that would be a pattern.
    let odd = "https://api1.test/:users/*";
    for (resource, path) in [(RESOURCE, PATH), (odd, "/.well-known/oauth-protected-resource/:users/*")] {
        let world = World::with(|builder| builder.resource_metadata(ResourceMetadata::new(resource))).await;
        let router: axum::Router = world.verifier.metadata_routes();
        let request = |path: &str| Request::builder().uri(path).body(axum::body::Body::empty()).unwrap();
        assert_eq!(router.clone().oneshot(request(path)).await.unwrap().status(), 200, "{path}");
        assert_eq!(router.oneshot(request("/users")).await.unwrap().status(), 404);
    }
    let bare = World::new().await;
    let _: axum::Router = bare.verifier.metadata_routes();
}
