//! What the introspection and the revocation endpoint do alike: read a request about
//! a token, and answer it.

use axum::extract::Request;
use axum::response::Response;
use countersign_protocol::{ErrorCode, OAuthErrorCode, Parameters};
use http::Uri;
use http::header::{AUTHORIZATION, HeaderValue};
use http::request::Parts;

use super::record_use;
use crate::app::App;
use crate::http::answer::Answer;
use crate::http::body::{Accepts, read_parameters};
use crate::http::errors::{OAuthRefusal, inquiry_refusal};
use crate::http::middleware::forbid_storing;
use crate::oauth::{Requester, TokenInquiry};
use crate::source_address::SourceAddress;

/// Reads the parameters; a token is taken from nowhere but the body.
pub(super) async fn read(
    app: &App,
    source: SourceAddress,
    request: Request,
    accepts: Accepts,
) -> Result<(Parts, Parameters), Response> {
    let (parts, body) = request.into_parts();
    if let Err(exhausted) = app.limits.take_source_request(source, app.clock.now()) {
        return Err(OAuthRefusal::over_budget(ErrorCode::TooManyRequests, exhausted).into_response());
    }
    if is_in_query(&parts.uri) {
        return Err(OAuthRefusal::new(OAuthErrorCode::InvalidRequest, ErrorCode::SecretInUrl).into_response());
    }
    match read_parameters(&parts.headers, body, accepts).await {
        Ok(parameters) => Ok((parts, parameters)),
        Err(error) => Err(OAuthRefusal::from(error).into_response()),
    }
}

fn is_in_query(uri: &Uri) -> bool {
    let names = uri.query().unwrap_or_default().split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    names.into_iter().any(|name| matches!(name, "client_secret" | "client_assertion" | "token"))
}

/// The values of the `Authorization` header.
pub(super) fn authorization(parts: &Parts) -> impl Iterator<Item = &[u8]> {
    parts.headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes)
}

/// Renders the answer.
pub(super) fn respond<T>(
    app: &App,
    source: SourceAddress,
    parts: &Parts,
    (client, answered): TokenInquiry<T>,
    render: impl FnOnce(T) -> Response,
) -> Answer {
    let response = match answered {
        Ok(answer) => {
            let mut response = render(answer);
            forbid_storing(response.headers_mut());
            response
        }
        Err(error) => inquiry_refusal(&error, parts.headers.contains_key(AUTHORIZATION)),
    };
    if let Some(client) = &client {
        record_use(app, source, &parts.headers, client);
    }
    Answer { response, client: client.map(Requester::Client) }
}
