//! A small protected API: what an API owner writes with the verify library.

use axum::extract::{FromRef, Path};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, body::Body};
use countersign_verify::axum::Token;
use countersign_verify::{StatusFeed, Verifier, scopes};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

use super::objects::{AUDIENCE, STATUS_CLIENT_ID};
use crate::config::BaseUrl;
use crate::outbound::Outbound;

scopes! {
    pub(super) ListUsers = all("list:users");
    pub(super) ReadUsers = all("read:users");
}

#[derive(Clone)]
struct DemoState {
    verifier: Verifier,
}

impl FromRef<DemoState> for Verifier {
    fn from_ref(state: &DemoState) -> Self {
        state.verifier.clone()
    }
}

/// `GET /users` needs `list:users`, `GET /users/{id}` needs `read:users`.
/// What is revoked is refused at once: it follows the status feed as [`STATUS_CLIENT_ID`].
pub(super) fn router(base: &BaseUrl, outbound: &Outbound, status_secret: &str) -> anyhow::Result<Router> {
    let feed = StatusFeed::new(base.as_str(), STATUS_CLIENT_ID, status_secret);
    let verifier = Verifier::builder(format!("{base}/"), AUDIENCE).realm("demo").fetch(outbound.fetch()).status(feed).build()?;
    Ok(Router::new().route("/users", get(list_users)).route("/users/{id}", get(read_user)).with_state(DemoState { verifier }))
}

async fn list_users(token: Token<ListUsers>) -> Response {
    let users: Vec<Value> = USERS.iter().map(|(id, name)| json!({ "id": id, "name": name })).collect();
    json_response(&json!({ "users": users, "called_by": token.client_id() }))
}

async fn read_user(Path(id): Path<String>, _token: Token<ReadUsers>) -> Response {
    match USERS.iter().find(|(own, _)| *own == id) {
        Some((id, name)) => json_response(&json!({ "id": id, "name": name })),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

const USERS: [(&str, &str); 2] = [("1", "Ada Lovelace"), ("2", "Alan Turing")];

fn json_response(value: &Value) -> Response {
    let mut response = Response::new(Body::from(format!("{value}\n")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
