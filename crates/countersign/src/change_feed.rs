//! Following the change feed: every node applies every commit, in order.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::catalog::CatalogError;
use crate::store::{Change, StoreError};

/// Changes older than this many are deleted; who needs them starts afresh.
const KEPT_CHANGES: i64 = 100_000;
/// Old changes are deleted once per this many.
const TRIM_EVERY: i64 = 1_000;

/// A follower of the feed.
pub struct Follower {
    app: Arc<App>,
    position: i64,
    poll_interval: Duration,
    resyncs: u64,
}

impl Follower {
    /// A follower that starts at the feed's present end. Everything the
    /// application holds in memory was read before or is read again: the first
    /// thing a follower does is a full resync.
    ///
    /// # Errors
    /// [`CatalogError`] when the feed or what it is about cannot be read now.
    pub async fn start(app: Arc<App>, poll_interval: Duration) -> Result<Self, CatalogError> {
        let began = app.clock.now();
        let position = head(&app).await?;
        pass_over_broken_rows(app.resync().await)?;
        app.feed_was_read(position, began);
        Ok(Self { app, position, poll_interval, resyncs: 0 })
    }

    /// Follows until the task is dropped: at every hint, and at least once per
    /// poll interval.
    pub async fn run(mut self) {
        let mut failing = false;
        loop {
            let hint = self.app.store.change_hint();
            let _ = tokio::time::timeout(self.poll_interval, hint).await;
            match self.catch_up().await {
                Ok(_) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(error = %crate::log::chain(&error), "the change feed cannot be read; trying on");
                }
                Err(_) => {}
            }
        }
    }

    /// Applies what has been committed since the last time and returns it.
    ///
    /// # Errors
    /// [`CatalogError`]; the next call goes on where this one stopped.
    pub async fn catch_up(&mut self) -> Result<Vec<Change>, CatalogError> {
        let mut applied = Vec::new();
        loop {
            let (after, began) = (self.position, self.app.clock.now());
            let changes = self.app.store.read(move |session| Box::pin(async move { session.changes_after(after).await })).await?;
            if changes.is_empty() {
                if self.is_off_the_feed().await? {
                    // The feed went backwards, or jumped: the database was restored.
                    self.start_afresh().await?;
                }
                self.app.feed_was_read(self.position, began);
                return Ok(applied);
            }
            for change in changes {
                if change.seq != self.position + 1 {
                    self.start_afresh().await?;
                    break;
                }
                pass_over_broken_rows(self.app.apply(change.kind, &change.object_id).await)?;
                self.app.status_feeds.tell(&self.app, &change);
                self.position = change.seq;
                applied.push(change);
            }
            self.delete_old(after).await;
        }
    }

    /// How often a gap forced a full resync.
    pub const fn resyncs(&self) -> u64 {
        self.resyncs
    }

    /// Whether the feed ends elsewhere than where this follower stands.
    async fn is_off_the_feed(&self) -> Result<bool, StoreError> {
        let position = self.position;
        let head = head(&self.app).await?;
        if head <= position {
            return Ok(head < position);
        }
        // It may have grown since it was read.
        let changes = self.app.store.read(move |session| Box::pin(async move { session.changes_after(position).await })).await?;
        Ok(changes.is_empty())
    }

    async fn start_afresh(&mut self) -> Result<(), CatalogError> {
        let position = head(&self.app).await?;
        tracing::warn!(position, "a gap in the change feed: reading everything again");
        pass_over_broken_rows(self.app.resync().await)?;
        self.app.status_feeds.begin_anew();
        self.position = position;
        self.resyncs += 1;
        self.app.metrics.node.resynced();
        Ok(())
    }

    /// Deletes old changes, now and then. Nothing depends on its success.
    async fn delete_old(&self, position_before: i64) {
        if position_before / TRIM_EVERY == self.position / TRIM_EVERY {
            return;
        }
        let until = self.position - KEPT_CHANGES;
        let deleted = self.app.store.write(move |tx| Box::pin(async move { tx.delete_changes_until(until).await })).await;
        if let Err::<_, StoreError>(error) = deleted {
            tracing::warn!(error = %crate::log::chain(&error), "old changes are not deleted");
        }
    }
}

/// A broken row must not keep the next change from being applied. The old snapshot
/// serves on.
fn pass_over_broken_rows(applied: Result<(), CatalogError>) -> Result<(), CatalogError> {
    match applied {
        Err(error) if error.is_lasting() => {
            tracing::error!(error = %crate::log::chain(&error), "the catalog cannot be read");
            Ok(())
        }
        applied => applied,
    }
}

async fn head(app: &App) -> Result<i64, StoreError> {
    app.store.read(|session| Box::pin(async move { session.feed_head().await })).await
}
