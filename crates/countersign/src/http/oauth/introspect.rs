//! `POST {issuer}/v1/introspect` and `POST /oauth/introspect` (RFC 7662 section 2,
//! RFC 9701 section 4).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use countersign_protocol::preferred;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};

use super::inquiry::{authorization, read, respond};
use super::{ArrivedAt, NestedMount, resolve};
use crate::app::App;
use crate::http::answer::Answer;
use crate::http::arrival::Arrival;
use crate::http::body::Accepts;
use crate::http::errors::{json_text, unknown_path};
use crate::oauth::{self, IntrospectionAnswer, IntrospectionFormat};

/// The media type of a signed introspection response (RFC 9701 section 5).
const SIGNED_RESPONSE: &str = "application/token-introspection+jwt";
/// The media type of a JWT (RFC 7519 section 10.3.1).
const JWT: &str = "application/jwt";
/// What there is to choose from; the first is for those who do not choose.
const OFFERS: [(&str, IntrospectionFormat); 3] = [
    ("application/json", IntrospectionFormat::Response),
    (SIGNED_RESPONSE, IntrospectionFormat::SignedResponse),
    (JWT, IntrospectionFormat::AccessToken),
];

/// The introspection endpoint of the root mount.
pub(in crate::http) async fn at_root(State(app): State<Arc<App>>, arrival: Arrival, request: Request) -> Answer {
    introspect(&app, "/", &arrival, request).await
}

/// The introspection endpoint of a mount below `/oauth2/`.
pub(in crate::http) async fn at_server(
    State(app): State<Arc<App>>,
    NestedMount(path): NestedMount,
    arrival: Arrival,
    request: Request,
) -> Answer {
    introspect(&app, &path, &arrival, request).await
}

/// The introspection endpoint of the mount at `path`.
pub(in crate::http) async fn introspect(app: &App, path: &str, arrival: &Arrival, request: Request) -> Answer {
    let arrived_at = ArrivedAt::of(app, request.uri(), request.headers(), arrival.bases.as_ref());
    let Some(mount) = resolve(app, &arrived_at, path) else { return unknown_path().into() };
    let source = arrival.source;
    let (parts, parameters) = match read(app, source, request, Accepts::Form).await {
        Ok(read) => read,
        Err(response) => return response.into(),
    };
    let format = wanted_format(&parts.headers);
    let answered = oauth::introspect(app, &mount, source, authorization(&parts), &parameters, format).await;
    respond(app, source, &parts, answered, |answer| match answer {
        IntrospectionAnswer::Response(response) => json_text(StatusCode::OK, response),
        IntrospectionAnswer::SignedResponse(jwt) => as_type(SIGNED_RESPONSE, jwt),
        IntrospectionAnswer::AccessToken(Some(jwt)) => as_type(JWT, jwt.expose().clone()),
        IntrospectionAnswer::AccessToken(None) => no_content(),
    })
}

/// RFC 9110 section 12.5.1 lets a server disregard a header that it cannot satisfy: callers
/// that accept something else entirely always got JSON.
fn wanted_format(headers: &HeaderMap) -> IntrospectionFormat {
    let accept = headers.get_all(ACCEPT).iter().map(HeaderValue::as_bytes);
    preferred(accept, &OFFERS).unwrap_or(IntrospectionFormat::Response)
}

fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn as_type(media_type: &'static str, jwt: String) -> Response {
    let mut response = Response::new(Body::from(jwt));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
