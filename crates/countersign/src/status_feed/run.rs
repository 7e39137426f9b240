//! Writing the feeds, in their rhythm.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::app::App;

/// Every feed has a record in this time, if only a heartbeat.
const BEAT: Duration = Duration::from_secs(5);
/// News that come within this time after others go together.
const BATCH: Duration = Duration::from_millis(100);

/// Writes what is due until the task is dropped.
pub(crate) async fn run(app: Arc<App>) {
    let mut written = Instant::now();
    let mut next_beat = written + BEAT;
    loop {
        tokio::select! {
            () = app.status_feeds.news.notified() => {
                // The first news after a while goes out at once.
                sleep_until(written + BATCH).await;
                // Read before what is told by then is written.
                let change = app.feed_position().unwrap_or_default();
                app.status_feeds.write(change, false);
            }
            () = sleep_until(next_beat) => {
                let change = app.feed_position().unwrap_or_default();
                app.status_feeds.write(change, true);
                next_beat = Instant::now() + BEAT;
            }
        }
        let followers = app.status_feeds.all().iter().map(|feed| feed.followers()).sum();
        app.metrics.status_feed.followers(followers);
        written = Instant::now();
    }
}
