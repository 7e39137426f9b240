//! Sending events (RFC 8935 section 2): in order, each until it is taken.

use bytes::Bytes;
use countersign_protocol::Timestamp;
use http::StatusCode;
use http::header::HeaderValue;

use super::poll::waiting_events;
use super::streams::Delivery;
use super::{SsfEvent, SsfStream, Transmitter, TransmitterError};
use crate::app::App;
use crate::store::StoreError;

/// Events that are sent in one go.
const BATCH: i64 = 50;
/// How long a node has a stream to itself, in seconds: more than a batch takes.
const LEASE_SECONDS: i64 = 300;
/// The pause after an event was not taken, in seconds.
const RETRY_SECONDS: i64 = 10;
/// The media type of a security event token.
const SET: &str = "application/secevent+jwt";

/// What came of an event.
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
/// [`StoreError`].
pub async fn push_due(app: &App) -> Result<(), StoreError> {
    let streams = app.store.read(|session| Box::pin(async move { session.ssf_push_streams().await }));
    let streams: Vec<SsfStream> = streams.await?;
    for stream in streams {
        push_stream(app, &stream).await?;
    }
    Ok(())
}

/// Deletes what nobody took for a week.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_old_events(app: &App) -> Result<(), StoreError> {
    let expired = app.clock.now().plus_seconds(-super::RETENTION_SECONDS);
    app.store.write(move |tx| Box::pin(async move { tx.delete_old_ssf_events(expired).await })).await.map(drop)
}

async fn push_stream(app: &App, stream: &SsfStream) -> Result<(), StoreError> {
    if waiting_events(app, stream, 1).await?.is_empty() {
        return Ok(());
    }
    let now = app.clock.now();
    if !lease(app, stream, now, now.plus_seconds(LEASE_SECONDS)).await? {
        return Ok(());
    }
    // Read again: another node may have sent some until then.
    let sent = send_all(app, stream, waiting_events(app, stream, BATCH).await?).await;
    let pause = if matches!(sent, Ok(Sent::Done)) { 0 } else { RETRY_SECONDS };
    release(app, stream, app.clock.now().plus_seconds(pause)).await?;
    sent.map(drop)
}

async fn send_all(app: &App, stream: &SsfStream, events: Vec<SsfEvent>) -> Result<Sent, StoreError> {
    for event in events {
        match send(app, stream, &event).await {
            Ok(Sent::Done) => {
                let (id, ids) = (stream.id.clone(), vec![event.id]);
                app.store.write(move |tx| Box::pin(async move { tx.delete_ssf_events(&id, &ids).await })).await?;
            }
            Ok(Sent::Failed) => return Ok(Sent::Failed),
            Err(error) => {
                tracing::warn!(stream_id = %stream.id, error = %crate::log::chain(&error), "a security event is not signed");
                return Ok(Sent::Failed);
            }
        }
    }
    Ok(Sent::Done)
}

async fn send(app: &App, stream: &SsfStream, event: &SsfEvent) -> Result<Sent, TransmitterError> {
    let Delivery::Push { endpoint_url, sealed_authorization } = &stream.delivery else { return Ok(Sent::Done) };
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
        // RFC 8935 section 2.2.
        Ok(StatusCode::ACCEPTED | StatusCode::OK | StatusCode::NO_CONTENT) => Ok(Sent::Done),
        // Section 2.3: the receiver will never take it.
        Ok(StatusCode::BAD_REQUEST) => {
            tracing::warn!(stream_id = %stream.id, jti = event.id, "a receiver refused a security event; it is dropped");
            Ok(Sent::Done)
        }
        Ok(status) => {
            tracing::warn!(stream_id = %stream.id, %status, "a security event was not taken; trying again");
            Ok(Sent::Failed)
        }
        Err(error) => {
            tracing::warn!(stream_id = %stream.id, error = %crate::log::chain(&error), "a security event was not sent; trying again");
            Ok(Sent::Failed)
        }
    }
}

async fn lease(app: &App, stream: &SsfStream, now: Timestamp, until: Timestamp) -> Result<bool, StoreError> {
    let id = stream.id.clone();
    let leased = app.store.write(move |tx| Box::pin(async move { tx.lease_ssf_stream(&id, now, until).await }));
    Ok(leased.await.map_err(|error: StoreError| error)?.value)
}

async fn release(app: &App, stream: &SsfStream, until: Timestamp) -> Result<(), StoreError> {
    let id = stream.id.clone();
    app.store.write(move |tx| Box::pin(async move { tx.release_ssf_stream(&id, until).await })).await.map(drop)
}
