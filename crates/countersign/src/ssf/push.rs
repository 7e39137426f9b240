//! Sending events (RFC 8935 section 2): in order, each until it is taken.

use std::sync::Arc;

use bytes::Bytes;
use countersign_protocol::Timestamp;
use http::StatusCode;
use http::header::HeaderValue;
use serde_json::Value;
use tokio::task::JoinSet;

use super::poll::kept_since;
use super::streams::Delivery;
use super::{LeasedSsfStream, SsfEvent, SsfStream, Transmitter, TransmitterError};
use crate::app::App;
use crate::ids::SsfStreamId;
use crate::outbound::Answered;
use crate::store::StoreError;

/// Receivers that a node sends to at once.
const AT_ONCE: usize = 16;
/// Most events of a receiver that are sent before the others have their turn.
const BATCH: i64 = 50;
/// For how long a receiver is sent to before the others have their turn, in seconds.
const TURN_SECONDS: i64 = 2;
/// How long a node has a stream to itself, in seconds: more than one event takes.
const LEASE_SECONDS: i64 = 15;
/// The pause after an event was not taken, in seconds.
const RETRY_SECONDS: i64 = 10;
/// The media type of a security event token.
const SET: &str = "application/secevent+jwt";
/// Refusals (RFC 8935 section 2.4) that the receiver or we may mend: the event is sent again.
const MENDABLE: [&str; 3] = ["invalid_key", "authentication_failed", "access_denied"];
/// Refusals of the event itself.
const FINAL: [&str; 3] = ["invalid_request", "invalid_issuer", "invalid_audience"];

/// What came of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// The receiver has it, or never wants it.
    Done,
    /// Another time.
    Failed,
}

/// Sends what waits to every receiver that is sent to. Every node may run it at once: a
/// stream is one node's while it sends.
///
/// # Errors
/// [`StoreError`]; the other receivers are sent to all the same.
pub async fn push_due(app: &Arc<App>) -> Result<(), StoreError> {
    let (now, since) = (app.clock.now(), kept_since(app));
    let due = app.store.read(move |session| Box::pin(async move { session.ssf_streams_to_push(now, since).await }));
    let due: Vec<SsfStreamId> = due.await?;
    let (mut sending, mut outcome) = (JoinSet::new(), Ok(()));
    for id in due {
        if sending.len() >= AT_ONCE {
            outcome = outcome.and(next_end(&mut sending).await);
        }
        let app = Arc::clone(app);
        sending.spawn(async move { push_stream(&app, &id).await });
    }
    while !sending.is_empty() {
        outcome = outcome.and(next_end(&mut sending).await);
    }
    outcome
}

async fn next_end(sending: &mut JoinSet<Result<(), StoreError>>) -> Result<(), StoreError> {
    sending.join_next().await.map_or(Ok(()), |ended| ended.map_err(StoreError::internal)?)
}

/// Deletes what nobody took for a week.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_old_events(app: &App) -> Result<(), StoreError> {
    let expired = kept_since(app);
    app.store.write(move |tx| Box::pin(async move { tx.delete_old_ssf_events(expired).await })).await.map(drop)
}

/// Sends the events of one receiver. Whether it may still be sent to, and where, is read
/// again after each.
async fn push_stream(app: &App, id: &SsfStreamId) -> Result<(), StoreError> {
    let began = app.clock.now();
    let Some(mut leased) = lease(app, id, began, None).await? else { return Ok(()) };
    let (of, since) = (id.clone(), kept_since(app));
    let events = app.store.read(move |session| Box::pin(async move { session.ssf_events(&of, since, BATCH).await }));
    let events: Vec<SsfEvent> = events.await?;
    for event in events {
        if send_or_say_why_not(app, &leased.stream, &event).await == Sent::Failed {
            return release(app, &leased, RETRY_SECONDS).await;
        }
        let Some(still) = lease(app, id, leased.until, Some(event.id)).await? else { return Ok(()) };
        leased = still;
        if app.clock.now().millis_since(began) > TURN_SECONDS * 1_000 {
            break;
        }
    }
    release(app, &leased, 0).await
}

async fn send_or_say_why_not(app: &App, stream: &SsfStream, event: &SsfEvent) -> Sent {
    send(app, stream, event).await.unwrap_or_else(|error| {
        tracing::warn!(stream_id = %stream.id, error = %crate::log::chain(&error), "a security event is not signed");
        Sent::Failed
    })
}

async fn send(app: &App, stream: &SsfStream, event: &SsfEvent) -> Result<Sent, TransmitterError> {
    let Delivery::Push { endpoint_url, sealed_authorization } = &stream.delivery else { return Ok(Sent::Failed) };
    let token = Transmitter::of(app)?.sign(stream, event).await?;
    let authorization = match sealed_authorization {
        None => None,
        Some(sealed) => match app.master_key.open(stream.id.as_str(), sealed) {
            Ok(text) => HeaderValue::from_bytes(text.expose()).ok(),
            Err(error) => {
                tracing::error!(stream_id = %stream.id, %error, "the authorization of a receiver cannot be opened");
                return Ok(Sent::Failed);
            }
        },
    };
    match app.outbound.guarded().post(endpoint_url, SET, authorization, Bytes::from(token)).await {
        Ok(answered) => Ok(outcome(stream, event, &answered)),
        Err(error) => {
            tracing::warn!(stream_id = %stream.id, error = %crate::log::chain(&error), "a security event was not sent; trying again");
            Ok(Sent::Failed)
        }
    }
}

fn outcome(stream: &SsfStream, event: &SsfEvent, answered: &Answered) -> Sent {
    let status = answered.status;
    match status {
        // RFC 8935 section 2.2.
        StatusCode::ACCEPTED | StatusCode::OK | StatusCode::NO_CONTENT => Sent::Done,
        // Section 2.3.
        StatusCode::BAD_REQUEST => {
            let err = refusal(&answered.body);
            if MENDABLE.contains(&err) {
                tracing::warn!(stream_id = %stream.id, jti = event.id, err, "a receiver refused a security event; trying again");
                return Sent::Failed;
            }
            tracing::warn!(stream_id = %stream.id, jti = event.id, err, "a receiver refused a security event; it is dropped");
            Sent::Done
        }
        _ => {
            tracing::warn!(stream_id = %stream.id, %status, "a security event was not taken; trying again");
            Sent::Failed
        }
    }
}

/// The `err` of a refusal (RFC 8935 section 2.3), if it is one that is known: what a
/// receiver says otherwise is not repeated.
fn refusal(body: &[u8]) -> &'static str {
    let said: Option<Value> = serde_json::from_slice(body).ok();
    let err = said.as_ref().and_then(|said| said.get("err")).and_then(Value::as_str).unwrap_or_default();
    MENDABLE.into_iter().chain(FINAL).find(|known| *known == err).unwrap_or("(none that is known)")
}

/// The stream as it is now, for this node alone, unless another one has it since
/// `held_until` or it is not to be sent to. What was `taken` is deleted.
async fn lease(
    app: &App,
    id: &SsfStreamId,
    held_until: Timestamp,
    taken: Option<String>,
) -> Result<Option<LeasedSsfStream>, StoreError> {
    let (id, until) = (id.clone(), app.clock.now().plus_seconds(LEASE_SECONDS));
    let leased = app.store.write(move |tx| {
        Box::pin(async move {
            tx.delete_ssf_events(&id, taken.as_slice()).await?;
            tx.lease_ssf_stream(&id, held_until, until).await
        })
    });
    Ok(leased.await?.value)
}

async fn release(app: &App, leased: &LeasedSsfStream, pause_seconds: i64) -> Result<(), StoreError> {
    let (id, held_until, until) = (leased.stream.id.clone(), leased.until, app.clock.now().plus_seconds(pause_seconds));
    app.store.write(move |tx| Box::pin(async move { tx.release_ssf_stream(&id, held_until, until).await })).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_that_is_known_is_told() {
        for (body, expected) in [
            (r#"{"err":"authentication_failed","description":"x"}"#, "authentication_failed"),
            (r#"{"err":"invalid_audience"}"#, "invalid_audience"),
            (r#"{"err":"line\nbreak"}"#, "(none that is known)"),
            ("[]", "(none that is known)"),
            ("", "(none that is known)"),
        ] {
            assert_eq!(refusal(body.as_bytes()), expected, "{body}");
        }
    }
}
