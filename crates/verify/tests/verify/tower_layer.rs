//! The tower layer in front of a service.

use std::convert::Infallible;

use countersign_verify::{Requirements, Verified};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response};
use serde_json::json;
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

use crate::support::{Mood, World, settle};

fn request(token: Option<&str>) -> Request<()> {
    let mut request = Request::new(());
    if let Some(token) = token {
        request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    }
    request
}

async fn greet(request: Request<()>) -> Result<Response<String>, Infallible> {
    let verified = request.extensions().get::<Verified>().unwrap();
    Ok(Response::new(format!("hello, {}", verified.client_id().unwrap())))
}

async fn through(world: &World, requirements: Requirements, request: Request<()>) -> Response<String> {
    world.verifier.layer().require(requirements).layer(service_fn(greet)).oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_good_token_reaches_the_service() {
    let world = World::new().await;
    let response = through(&world, Requirements::all(["list:users"]), request(Some(&world.token(&json!({}))))).await;
    assert_eq!((response.status().as_u16(), response.body().as_str()), (200, "hello, demo-client"));
}

#[tokio::test]
async fn anything_else_does_not() {
    let world = World::new().await;
    let scoped = || Requirements::all(["admin"]);
    for (request, status) in [
        (request(None), 401),
        (request(Some("x")), 401),
        (request(Some(&world.token_for(-600))), 401),
        (request(Some(&world.token(&json!({})))), 403),
    ] {
        let response = through(&world, scoped(), request).await;
        assert_eq!(response.status().as_u16(), status);
        assert!(response.headers().contains_key(WWW_AUTHENTICATE) && response.body().contains("CS-"));
    }
}

#[tokio::test]
async fn the_answer_is_there_at_once_while_keys_are_at_hand() {
    let world = World::new().await;
    let mut service = world.verifier.layer().layer(service_fn(greet));
    let response = service.ready().await.unwrap().call(request(Some(&world.token(&json!({})))));
    let mut response = tokio_test_poll(response);
    assert_eq!(response.take().unwrap().unwrap().status(), 200);
    assert!(format!("{service:?}").contains("as.test"));
}

/// Polls once.
fn tokio_test_poll<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_request_waits_for_the_first_keys() {
    let world = World::cold(|builder| builder);
    world.issuer.hold();
    let token = world.token(&json!({}));
    let service = world.verifier.layer().require(Requirements::all(["list:users"])).layer(service_fn(greet));
    let (good, poor) = (tokio::spawn(service.clone().oneshot(request(Some(&token)))), {
        let token = world.token(&json!({ "scope": "" }));
        tokio::spawn(service.oneshot(request(Some(&token))))
    });
    settle().await;
    assert!(!good.is_finished() && !poor.is_finished());
    world.issuer.release();
    assert_eq!(good.await.unwrap().unwrap().status(), 200);
    assert_eq!(poor.await.unwrap().unwrap().status(), 403);
    assert_eq!(world.issuer.fetches(), 1);
}

#[tokio::test]
async fn without_keys_it_is_503() {
    let world = World::cold(|builder| builder);
    world.issuer.mood(Mood::Down);
    let response = through(&world, Requirements::none(), request(Some(&world.token(&json!({}))))).await;
    assert_eq!((response.status().as_u16(), response.headers().contains_key(WWW_AUTHENTICATE)), (503, false));
}

#[tokio::test]
async fn the_layer_fits_bodies_that_can_be_made_of_text() {
    let world = World::new().await;
    let service = service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(http_body_util::Full::<hyper::body::Bytes>::default()))
    });
    let response = world.verifier.layer().layer(service).oneshot(request(None)).await.unwrap();
    assert_eq!(response.status(), 401);
}
