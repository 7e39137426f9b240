//! Polling for events (RFC 8936 section 2).

use std::time::Duration;

use countersign_protocol::Timestamp;

use super::{SsfEvent, SsfStream, Transmitter, TransmitterError};
use crate::app::App;
use crate::store::StoreError;

/// Most events of one answer.
const MAX_EVENTS: i64 = 100;
/// The change feed wakes who waits; this is for what it does not tell of.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a receiver is given.
#[derive(Debug, Default)]
pub struct Polled {
    /// Each with its `jti`, in their order.
    pub sets: Vec<(String, String)>,
    /// Whether there are more.
    pub more_available: bool,
}

/// Takes what `acknowledged` names out, and gives up to `most` of the rest; waits for one if
/// there is none.
///
/// # Errors
/// [`PollError`].
pub async fn poll(
    app: &App,
    stream: &SsfStream,
    acknowledged: Vec<String>,
    most: Option<i64>,
    wait: Duration,
) -> Result<Polled, PollError> {
    if !acknowledged.is_empty() {
        let id = stream.id.clone();
        app.store.write(move |tx| Box::pin(async move { tx.delete_ssf_events(&id, &acknowledged).await })).await?;
    }
    let most = most.unwrap_or(MAX_EVENTS).clamp(0, MAX_EVENTS);
    if most == 0 {
        return Ok(Polled::default());
    }
    let mut feed = app.watch_feed();
    let waiting = async {
        loop {
            feed.borrow_and_update();
            let waiting = waiting_events(app, stream, most + 1).await?;
            if !waiting.is_empty() {
                return Ok::<_, PollError>(waiting);
            }
            let _ = tokio::time::timeout(LOOK_EVERY, feed.changed()).await;
        }
    };
    let mut events = match wait.is_zero() {
        true => waiting_events(app, stream, most + 1).await?,
        false => tokio::time::timeout(wait, waiting).await.unwrap_or_else(|_| Ok(Vec::new()))?,
    };
    let limit = usize::try_from(most).unwrap_or_default();
    let more_available = events.len() > limit;
    events.truncate(limit);
    let transmitter = Transmitter::of(app)?;
    let mut sets = Vec::with_capacity(events.len());
    for event in events {
        sets.push((event.id.clone(), transmitter.sign(stream, &event).await?));
    }
    Ok(Polled { sets, more_available })
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The events cannot be signed.
    #[error(transparent)]
    Transmitter(#[from] TransmitterError),
}

/// What waits for the receiver, in its order; nothing unless the stream is enabled by now.
async fn waiting_events(app: &App, stream: &SsfStream, most: i64) -> Result<Vec<SsfEvent>, StoreError> {
    let (id, kept_since) = (stream.id.clone(), kept_since(app));
    let events = app.store.read(move |session| Box::pin(async move { session.ssf_events(&id, kept_since, most).await }));
    events.await
}

/// Older events are as good as deleted.
pub(super) fn kept_since(app: &App) -> Timestamp {
    app.clock.now().plus_seconds(-super::RETENTION_SECONDS)
}
