//! What has changed about keys, for services that remember verdicts.

use std::time::Duration;

use countersign_protocol::ClientId;

use super::EVERY_KEY;
use crate::app::App;
use crate::ids::ApiKeyId;
use crate::store::{Change, ChangeKind, StoreError};

/// Most changes that are told one by one; more of them are told as "everything".
const MAX_TOLD: i64 = 2_000;

/// What has changed about keys between two positions of the change feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyChanges {
    /// Up to where.
    pub position: i64,
    /// Any verdict may be another now.
    pub everything: bool,
    /// Verdicts on these keys may be.
    pub keys: Vec<ApiKeyId>,
    /// Verdicts on the keys of these clients may be.
    pub clients: Vec<ClientId>,
}

/// Why changes cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum KeyChangesError {
    /// This node may not know what has changed.
    #[error("the change feed was not read for too long, or nobody follows it")]
    Behind,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What has changed since the position `after`, as far as this node has applied it; without
/// one, where the feed is now. If there is nothing to tell, waits for it for at most `wait`.
///
/// # Errors
/// [`KeyChangesError`].
pub async fn changes(app: &App, after: Option<i64>, wait: Duration) -> Result<KeyChanges, KeyChangesError> {
    let mut feed = app.watch_feed();
    let position = *feed.borrow_and_update();
    let position = position.filter(|_| !app.is_behind()).ok_or(KeyChangesError::Behind)?;
    let Some(mut after) = after else { return Ok(KeyChanges { position, ..KeyChanges::default() }) };
    let mut told = tell(app, after, position).await?;
    let waiting = async {
        while told.is_nothing() && feed.changed().await.is_ok() {
            let Some(position) = *feed.borrow_and_update() else { continue };
            after = after.max(told.position);
            told = tell(app, after, position).await?;
        }
        Ok(())
    };
    tokio::time::timeout(wait, waiting).await.unwrap_or(Ok::<_, KeyChangesError>(()))?;
    if app.is_behind() {
        return Err(KeyChangesError::Behind);
    }
    // Whoever is ahead of this node for so long has seen a feed that is no more.
    if told.position < after {
        told.everything = true;
    }
    Ok(told)
}

async fn tell(app: &App, after: i64, position: i64) -> Result<KeyChanges, StoreError> {
    let mut told = KeyChanges { position, ..KeyChanges::default() };
    let mut last = after;
    if position - after > MAX_TOLD {
        told.everything = true;
    }
    while last < position && !told.everything {
        let page = app.store.read(move |session| Box::pin(async move { session.changes_after(last).await }));
        let page: Vec<Change> = page.await.map_err(|error: StoreError| error)?;
        // A gap: what was there is deleted, and with it what has changed.
        if page.first().is_none_or(|change| change.seq != last + 1) {
            told.everything = true;
        }
        for change in page.into_iter().filter(|change| change.seq <= position) {
            last = change.seq;
            told.add(&change);
        }
    }
    if told.everything {
        told.keys.clear();
        told.clients.clear();
    }
    Ok(told)
}

impl KeyChanges {
    /// Whether there is nothing to tell.
    pub const fn is_nothing(&self) -> bool {
        !self.everything && self.keys.is_empty() && self.clients.is_empty()
    }

    fn add(&mut self, change: &Change) {
        let id = change.object_id.as_str();
        match change.kind {
            Some(ChangeKind::ApiKey) if id == EVERY_KEY => self.everything = true,
            // Lookups are not told: that of an imported secret is made of its hash.
            Some(ChangeKind::ApiKey) => self.keys.extend(ApiKeyId::parse(id)),
            Some(ChangeKind::Client) => match ClientId::try_from(id) {
                Ok(id) => self.clients.push(id),
                Err(_) => self.everything = true,
            },
            Some(ChangeKind::Catalog) | None => self.everything = true,
            Some(ChangeKind::RevocationMark | ChangeKind::RevokedToken | ChangeKind::StatusFeedKey) => {}
        }
    }
}
