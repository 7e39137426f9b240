//! One structured line per request. The path is the route's pattern, or what was
//! asked for where no route matches; never the query, which may hold secrets.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use countersign_protocol::jose::base64url;
use http::HeaderValue;
use tokio::time::Instant;

use super::RequestPolicy;
use crate::entropy::random;
use crate::http::errors::Outcome;
use crate::http::serve::PeerAddress;

/// The header that carries the request's id. Ours always: an id chosen by the
/// caller could be made to collide.
const REQUEST_ID_HEADER: &str = "x-request-id";
/// Longest path that is logged where no route matches, in characters.
const MAX_LOGGED_PATH: usize = 200;

pub(super) async fn log_request(State(policy): State<RequestPolicy>, request: Request, next: Next) -> Response {
    let request_id = base64url::encode(&random::<12>(policy.entropy.as_ref()));
    let method = request.method().clone();
    let path = logged_path(&request);
    let peer = request.extensions().get::<PeerAddress>().map(|peer| peer.0.to_string());
    let started = Instant::now();
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    let outcome = response.extensions_mut().remove::<Outcome>().unwrap_or_default();
    let line = Line { request_id: &request_id, method: method.as_str(), path: &path, peer: peer.as_deref(), status: response.status().as_u16(), started };
    line.write(&outcome);
    response
}

fn logged_path(request: &Request) -> String {
    match request.extensions().get::<MatchedPath>() {
        Some(matched) => matched.as_str().to_owned(),
        None => request.uri().path().chars().take(MAX_LOGGED_PATH).collect(),
    }
}

struct Line<'a> {
    request_id: &'a str,
    method: &'a str,
    path: &'a str,
    peer: Option<&'a str>,
    status: u16,
    started: Instant,
}

impl Line<'_> {
    fn write(&self, outcome: &Outcome) {
        let duration_ms = self.started.elapsed().as_secs_f64() * 1_000.0;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request_id = self.request_id,
                    method = self.method,
                    path = self.path,
                    peer = self.peer,
                    status = self.status,
                    duration_ms,
                    client.id = outcome.client_id.as_deref(),
                    code = outcome.code.map(countersign_protocol::ErrorCode::as_str),
                    error = outcome.cause.as_deref(),
                    "request"
                )
            };
        }
        if outcome.cause.is_some() { line!(error) } else { line!(info) }
    }
}
