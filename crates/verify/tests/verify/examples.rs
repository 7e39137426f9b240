//! The examples, called without a network.

use countersign_verify::testing::{TestIssuer, every_bad_token};
use countersign_verify::{ResourceMetadata, Verifier};
use http::Request;
use http::header::AUTHORIZATION;
use tower::ServiceExt as _;

#[path = "../../examples/axum.rs"]
#[expect(dead_code, reason = "only `main` is not called")]
mod axum_example;
#[path = "../../examples/hyper.rs"]
#[expect(dead_code, reason = "only `main` is not called")]
mod hyper_example;

const AUDIENCE: &str = "http://api.localhost";

fn request<B: Default>(path: &str, token: Option<&str>) -> Request<B> {
    let mut request = Request::builder().uri(path);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(B::default()).unwrap()
}

async fn by_axum(verifier: &Verifier, path: &str, token: Option<&str>) -> u16 {
    let app = axum_example::app(verifier.clone());
    app.oneshot(request::<axum::body::Body>(path, token)).await.unwrap().status().as_u16()
}

async fn by_hyper(verifier: &Verifier, path: &str, token: Option<&str>) -> u16 {
    hyper_example::answer(verifier.clone(), request::<()>(path, token)).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn both_examples_protect_what_they_say() {
    let issuer = TestIssuer::new();
    let metadata = ResourceMetadata::new("http://localhost:3000");
    let verifier = issuer.verifier_builder(AUDIENCE).resource_metadata(metadata).build().unwrap();
    let good = issuer.token(AUDIENCE).scope("list:users");
    let (enough, poor) = (good.sign(), good.clone().scope("read:users").sign());
    for (path, token, status) in [
        ("/health", None, 200),
        ("/users", None, 401),
        ("/users", Some(&enough), 200),
        ("/users", Some(&poor), 403),
        ("/nowhere", Some(&enough), 404),
    ] {
        let token = token.map(String::as_str);
        assert_eq!(by_axum(&verifier, path, token).await, status, "{path}");
        assert_eq!(by_hyper(&verifier, path, token).await, status, "{path}");
    }
    assert_eq!(by_axum(&verifier, "/.well-known/oauth-protected-resource", None).await, 200);
    for bad in every_bad_token(&good).iter().filter(|bad| bad.fits_in_header()) {
        for status in
            [by_axum(&verifier, "/users", Some(bad.token())).await, by_hyper(&verifier, "/users", Some(bad.token())).await]
        {
            assert!([400, 401, 403].contains(&status), "{}: {status}", bad.name());
        }
    }
}
