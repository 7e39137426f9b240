//! `POST /decoder/explain`: the verdict on a token that was pasted into the page.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use countersign_protocol::{Audience, ErrorCode};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use serde::Deserialize;

use super::close;
use crate::app::App;
use crate::http::body::{ReadError, read_bounded};
use crate::http::errors::{json, problem, problem_saying};
use crate::http::middleware::forbid_storing;
use crate::http::oauth::{ArrivedAt, resolve};
use crate::oauth::{TokenQuestion, explain_token};
use crate::source_address::SourceAddress;

/// The body of the request. The token is taken from nowhere else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    token: String,
    #[serde(default)]
    api: Option<String>,
    #[serde(default)]
    needs: Vec<String>,
}

pub(super) async fn explain(State(app): State<Arc<App>>, request: Request) -> Response {
    let mut response = answer(&app, request).await.unwrap_or_else(|refusal| refusal);
    forbid_storing(response.headers_mut());
    close(response.headers_mut());
    response
}

async fn answer(app: &Arc<App>, request: Request) -> Result<Response, Response> {
    let source = request.extensions().get().copied().unwrap_or(SourceAddress::NONE);
    if let Err(exhausted) = app.limits.take_source_request(source, app.clock.now()) {
        let mut refusal = problem(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests);
        refusal.headers_mut().insert(RETRY_AFTER, HeaderValue::from(exhausted.retry_after_seconds));
        return Err(refusal);
    }
    let arrived_at = ArrivedAt::of(app, request.uri(), request.headers(), request.extensions().get());
    let Asked { token, api, needs } = read(request).await?;
    let audience = api.map(|api| Audience::try_from(api.as_str())).transpose();
    let audience = audience.map_err(|_| {
        let detail = "`api` is the identifier of an API: a text without spaces".to_owned();
        problem_saying(StatusCode::BAD_REQUEST, ErrorCode::FieldInvalid, detail)
    })?;
    let question = TokenQuestion { text: token, audience, needs };
    match explain_token(app, resolve(app, &arrived_at, "/"), question).await {
        Ok(report) => Ok(json(StatusCode::OK, &report.to_json())),
        Err(error) => Err(crate::http::errors::fault(ErrorCode::Internal, crate::log::chain(&error))),
    }
}

async fn read(request: Request) -> Result<Asked, Response> {
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // No form of another site's page can send this one.
    if !media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::ContentTypeUnsupported));
    }
    let bytes = read_bounded(request.into_body()).await.map_err(|error| match error {
        ReadError::TooLarge => problem(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BodyTooLarge),
        ReadError::Broken | ReadError::ContentType | ReadError::Malformed(_) => {
            problem(StatusCode::BAD_REQUEST, ErrorCode::BodyMalformed)
        }
    })?;
    serde_json::from_slice(&bytes).map_err(|_| problem(StatusCode::BAD_REQUEST, ErrorCode::BodyMalformed))
}
