//! How many verifiers follow, and which of them have applied what was told last: written to
//! the database, so that whoever revokes something hears of those at every node.

use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::Timestamp;

use crate::app::App;
use crate::store::StoreError;

/// A node that says nothing for so long is gone, or has no followers, in seconds.
const GONE_SECONDS: i64 = 15;
/// It says something at least this often while it has followers.
const SAY_EVERY: Duration = Duration::from_secs(5);
/// What is said within this time goes together.
const GATHER: Duration = Duration::from_millis(30);

/// The followers of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFollowers {
    /// One run of one node.
    pub node_id: String,
    /// Up to which change of the database its feeds tell.
    pub change: i64,
    /// How many verifiers followed when it told of something last.
    pub followers: i64,
    /// How many of them have said that they apply it.
    pub applied: i64,
    /// How long the slowest of them took.
    pub slowest_millis: i64,
    /// When it said so.
    pub written_at: Timestamp,
}

/// Who follows, at every node, and the last change of the database.
///
/// # Errors
/// [`StoreError`].
pub async fn followers(app: &App) -> Result<(i64, Vec<NodeFollowers>), StoreError> {
    let since = app.clock.now().plus_seconds(-GONE_SECONDS);
    app.store
        .read(move |session| Box::pin(async move { Ok((session.feed_head().await?, session.status_followers(since).await?)) }))
        .await
}

/// Writes what this node's followers have applied.
///
/// # Errors
/// [`StoreError`].
pub async fn write_followers(app: &App) -> Result<(), StoreError> {
    let Some(node) = app.status_feeds.tally(app) else { return Ok(()) };
    let gone = node.written_at.plus_seconds(-4 * GONE_SECONDS);
    app.store
        .write(move |tx| {
            Box::pin(async move {
                tx.delete_status_followers(gone).await?;
                tx.upsert_status_followers(&node).await
            })
        })
        .await
        .map(drop)
}

/// Writes it whenever it changes, and now and then, until the task is dropped.
pub(crate) async fn keep_written(app: Arc<App>) {
    let mut is_failing = false;
    loop {
        if tokio::time::timeout(SAY_EVERY, app.status_feeds.applied.notified()).await.is_ok() {
            tokio::time::sleep(GATHER).await;
        }
        match write_followers(&app).await {
            Ok(()) => is_failing = false,
            Err(error) if !is_failing => {
                is_failing = true;
                tracing::warn!(error = %crate::log::chain(&error), "what verifiers have applied is not written; trying on");
            }
            Err(_) => {}
        }
    }
}
