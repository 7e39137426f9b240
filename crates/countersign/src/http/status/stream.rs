//! The status feed as a stream of events (HTML Living Standard, "Server-sent events").

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use countersign_protocol::Timestamp;
use countersign_protocol::status::Position;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::body::Frame;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::StatusMount;
use super::feed::{followed, too_many};
use super::position::{gone, parse};
use crate::app::App;
use crate::http::manage::{Caller, Refusal};
use crate::status_feed::{Feed, Following};

/// Events that wait for a follower that does not take them.
const WAITING_EVENTS: usize = 16;
/// A follower that takes nothing for so long is cut off: it is stale, and may come again.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// Follows the feed from `Last-Event-ID`, or else from where it is now.
pub(super) async fn stream(
    State(app): State<Arc<App>>,
    StatusMount(mount): StatusMount,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let after = headers.get("last-event-id").map(|value| parse("Last-Event-ID", value.to_str().unwrap_or_default())).transpose()?;
    let feed = followed(&app, &mount, &caller).await?;
    let after = after.unwrap_or_else(|| feed.position());
    if feed.after(after).is_err() {
        return Err(gone().into());
    }
    let following = app.status_feeds.follow(&feed, &caller.client().id).map_err(too_many)?;
    let (events, body) = mpsc::channel(WAITING_EVENTS);
    let mut response = Response::new(Body::new(Events(body)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that gathers what it passes on would hold events back.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    let response = caller.named(response);
    let until = caller.may_go_on_until(app.clock.now());
    tokio::spawn(send(Sending { until, app, feed, _following: following, caller, events }, after));
    Ok(response)
}

struct Sending {
    app: Arc<App>,
    feed: Arc<Feed>,
    _following: Following,
    caller: Caller,
    until: Timestamp,
    events: mpsc::Sender<Bytes>,
}

/// Sends events until the other end is gone, is not let in any more, or is to come again.
async fn send(sending: Sending, mut after: Position) {
    let Sending { app, feed, _following, caller, until, events } = sending;
    let (mut head, mut closed) = (feed.watch(), app.status_feeds.watch_close());
    app.status_feeds.is_followed();
    // The headers go out with the first byte: whoever follows knows that it does.
    if !is_taken(&events, Bytes::from_static(b": following\n\n"), &mut closed).await {
        return;
    }
    loop {
        head.borrow_and_update();
        let Ok(records) = feed.after(after) else { return };
        for record in records {
            after = record.position;
            if !is_taken(&events, record.event.clone(), &mut closed).await {
                return;
            }
        }
        let goes_on = app.clock.now() < until && app.status_feeds.writes(&feed) && !*closed.borrow();
        if !goes_on || !caller.is_still_let_in(&app).await.unwrap_or(true) {
            return;
        }
        tokio::select! {
            _ = head.changed() => {}
            _ = closed.changed() => {}
            () = events.closed() => return,
        }
    }
}

/// Whether there is room for an event before the follower has to come again.
async fn is_taken(events: &mpsc::Sender<Bytes>, event: Bytes, closed: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        sent = timeout(STALLED_AFTER, events.send(event)) => matches!(sent, Ok(Ok(()))),
        _ = closed.wait_for(|closed| *closed) => false,
    }
}

/// A body of events as they come.
struct Events(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}
