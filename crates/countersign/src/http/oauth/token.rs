//! `POST {issuer}/v1/token` and `POST /oauth/token` (RFC 6749 section 3.2).

use std::sync::Arc;

use axum::extract::{Request, State};
use countersign_protocol::{ErrorCode, OAuthErrorCode};
use http::header::{AUTHORIZATION, HeaderValue};
use http::{StatusCode, Uri};

use super::{ArrivedAt, NestedMount, record_use, resolve};
use crate::app::App;
use crate::http::answer::Answer;
use crate::http::arrival::Arrival;
use crate::http::body::{Accepts, read_parameters};
use crate::http::errors::{OAuthRefusal, json_text, token_refusal, unknown_path};
use crate::http::middleware::forbid_storing;
use crate::oauth::{self, Requester};

/// The token endpoint of the root mount, which reads JSON too.
pub(in crate::http) async fn at_root(State(app): State<Arc<App>>, arrival: Arrival, request: Request) -> Answer {
    token(&app, "/", Accepts::FormOrJson, &arrival, request).await
}

/// The token endpoint of a mount below `/oauth2/`.
pub(in crate::http) async fn at_server(
    State(app): State<Arc<App>>,
    NestedMount(path): NestedMount,
    arrival: Arrival,
    request: Request,
) -> Answer {
    token(&app, &path, Accepts::Form, &arrival, request).await
}

/// The token endpoint of the mount at `path`.
pub(in crate::http) async fn token(app: &App, path: &str, accepts: Accepts, arrival: &Arrival, request: Request) -> Answer {
    let source = arrival.source;
    if let Err(exhausted) = app.limits.take_source_request(source, app.clock.now()) {
        return OAuthRefusal::over_budget(ErrorCode::TooManyRequests, exhausted).into_response().into();
    }
    let (parts, body) = request.into_parts();
    let Some(mount) = resolve(app, &ArrivedAt::of(app, &parts.uri, &parts.headers, arrival.bases.as_ref()), path) else {
        return unknown_path().into();
    };
    if secret_in_query(&parts.uri) {
        return OAuthRefusal::new(OAuthErrorCode::InvalidRequest, ErrorCode::SecretInUrl).into_response().into();
    }
    let parameters = match read_parameters(&parts.headers, body, accepts).await {
        Ok(parameters) => parameters,
        Err(error) => return OAuthRefusal::from(error).into_response().into(),
    };
    let authorization = parts.headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
    let used_header = parts.headers.contains_key(AUTHORIZATION);
    let (client, issued) = oauth::token(app, &mount, source, authorization, &parameters).await;
    let response = match issued {
        Ok(issued) => {
            let mut response = json_text(StatusCode::OK, issued.to_json());
            forbid_storing(response.headers_mut());
            response
        }
        Err(error) => token_refusal(&error, used_header),
    };
    if let Some(Requester::Client(client)) = &client {
        record_use(app, source, &parts.headers, client);
    }
    Answer { response, client }
}

/// RFC 6749 section 2.3.1: credentials must not be in the request URI. An API key is one.
fn secret_in_query(uri: &Uri) -> bool {
    let names = uri.query().unwrap_or_default().split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    names.into_iter().any(|name| matches!(name, "client_secret" | "client_assertion" | "subject_token" | "actor_token"))
}
