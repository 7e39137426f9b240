//! Everything that a feed has told and would have told, for who begins to follow it.

use std::sync::Arc;

use bytes::Bytes;
use countersign_protocol::Timestamp;
use countersign_protocol::status::{RevokedTokenId, Snapshot};

use super::feed::TakenSnapshot;
use super::pending::as_told;
use super::{Feed, FeedError};
use crate::app::App;
use crate::ids::AuthorizationServerId;
use crate::revocation::MAX_LEEWAY_SECONDS;
use crate::store::StoreError;

/// Rows read at a time.
const PAGE: i64 = 10_000;
/// For how long a snapshot is given to who asks.
const KEPT_MILLIS: i64 = 10_000;

/// A snapshot that the records after its position continue, as a signed JWT. Verifiers that
/// begin at about the same time get the same.
///
/// # Errors
/// [`FeedError`].
pub async fn snapshot(app: &Arc<App>, feed: &Arc<Feed>) -> Result<Bytes, FeedError> {
    let mut last = Arc::clone(&feed.snapshot).lock_owned().await;
    if let Some(taken) = last.as_ref().filter(|taken| (0..KEPT_MILLIS).contains(&app.clock.now().millis_since(taken.at))) {
        return Ok(taken.token.clone());
    }
    let (app, feed) = (Arc::clone(app), Arc::clone(feed));
    // Whoever asked may be gone before it is there; the next one finds it.
    let taking = tokio::spawn(async move {
        let token = Bytes::from(take(&app, &feed).await?);
        // From when it is there: a large one takes a while.
        *last = Some(TakenSnapshot { at: app.clock.now(), token: token.clone() });
        Ok::<_, FeedError>(token)
    });
    taking.await.map_err(StoreError::internal)?
}

async fn take(app: &App, feed: &Feed) -> Result<String, FeedError> {
    // First: what is told meanwhile is in the snapshot too, and may be told twice.
    let head = feed.head();
    let tokens = tokens_without_list(app, &feed.server).await?;
    let marks = app.revocations.marks.all();
    let marks = marks.iter().filter_map(|mark| as_told(&feed.server, mark));
    let lists = app.revocations.tokens.places().lists(&feed.server, oldest_accepted(app.clock.now()));
    let snapshot = Snapshot {
        authorization_server: feed.server.to_string(),
        as_of: head.as_of,
        position: head.position,
        head: head.digest,
        lists,
        tokens,
        marks: marks.collect(),
    };
    let (key, key_id) = (Arc::clone(&feed.key), feed.key.id.to_string());
    // Deflating a hundred lists takes a while.
    let signed = tokio::task::spawn_blocking(move || snapshot.sign(&key.key, &key_id)).await;
    Ok(signed.map_err(StoreError::internal)??)
}

fn oldest_accepted(now: Timestamp) -> Timestamp {
    now.plus_seconds(-MAX_LEEWAY_SECONDS)
}

async fn tokens_without_list(app: &App, server: &AuthorizationServerId) -> Result<Vec<RevokedTokenId>, StoreError> {
    let mut all: Vec<RevokedTokenId> = Vec::new();
    let expired_before = oldest_accepted(app.clock.now());
    loop {
        let (server, after) = (server.clone(), all.last().map(|token| token.token_id.clone()).unwrap_or_default());
        let page = app.store.read(move |session| {
            Box::pin(async move { session.revoked_tokens_without_list(&server, &after, expired_before, PAGE).await })
        });
        let page: Vec<RevokedTokenId> = page.await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}
