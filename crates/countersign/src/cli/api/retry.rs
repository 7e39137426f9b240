//! Once more, where that is safe: after a broken connection for what has its effect
//! once however often it is sent, and when the server asks for it.

use std::time::Duration;

use bytes::Bytes;
use countersign_protocol::Secret;
use countersign_verify::{HttpError, Limits};
use http::header::RETRY_AFTER;
use http::{Method, Request, Response, StatusCode};

use super::IDEMPOTENCY_KEY;
use crate::outbound::{NoToken, Outbound};

/// The pause after a broken connection.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause that a server is granted; the user waits meanwhile.
const LONGEST: Duration = Duration::from_secs(10);

/// Sends a request, twice at most.
pub(super) async fn send(outbound: &Outbound, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, HttpError> {
    let first = outbound.send(request.clone(), limits).await;
    let pause = match &first {
        Err(HttpError::Transport(_) | HttpError::Timeout) if has_one_effect(&request) => PAUSE,
        Ok(response) => match asked_to_wait(response) {
            Some(pause) => pause,
            None => return first,
        },
        Err(_) => return first,
    };
    tokio::time::sleep(pause).await;
    outbound.send(request, limits).await
}

/// Asks for a token, twice at most: a token that nobody received does no harm.
pub(super) async fn token(
    outbound: &Outbound,
    url: &str,
    (id, secret): (&str, &Secret<String>),
    form: &[(&str, &str)],
) -> Result<Bytes, NoToken> {
    match outbound.request_token(url, id, secret, form).await {
        Err(NoToken::Transport { source: HttpError::Transport(_) | HttpError::Timeout, .. }) => tokio::time::sleep(PAUSE).await,
        Err(NoToken::Refused { status: StatusCode::SERVICE_UNAVAILABLE, .. }) => tokio::time::sleep(PAUSE * 4).await,
        other => return other,
    }
    outbound.request_token(url, id, secret, form).await
}

fn has_one_effect(request: &Request<Bytes>) -> bool {
    request.method() == Method::GET || request.headers().contains_key(&IDEMPOTENCY_KEY)
}

/// How long a server that cannot answer now asks to wait, if that is not too long.
fn asked_to_wait(response: &Response<Bytes>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    let pause = Duration::from_secs(seconds);
    (response.status() == StatusCode::SERVICE_UNAVAILABLE && pause <= LONGEST).then_some(pause)
}
