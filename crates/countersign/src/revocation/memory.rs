//! What is revoked, in memory: everything the database holds, on every node.

use countersign_protocol::Timestamp;

use super::{KEPT_AFTER_EXPIRY_SECONDS, Marks, RevokedToken, RevokedTokens, StoredMark};
use crate::store::{Store, StoreError};

/// Rows read at a time.
const PAGE: i64 = 10_000;

/// Marks and single tokens.
#[derive(Debug, Default)]
pub struct Revocations {
    /// The marks.
    pub marks: Marks,
    /// The single tokens.
    pub tokens: RevokedTokens,
}

impl Revocations {
    /// Adds what the database holds and memory does not. Nothing has to be removed:
    /// what is revoked stays so until it has expired. That is why this may run beside
    /// anything else.
    ///
    /// # Errors
    /// [`StoreError`]; what was read until then counts.
    pub async fn load(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let expired_before = now.plus_seconds(-KEPT_AFTER_EXPIRY_SECONDS);
        let marks = store.read(|session| Box::pin(async move { session.revocation_marks().await }));
        marks.await?.into_iter().for_each(|mark| self.marks.set(mark));
        let mut after = (String::new(), String::new());
        loop {
            let (server, token_id) = after;
            let page = store.read(move |session| {
                Box::pin(async move { session.revoked_tokens_after(&server, &token_id, expired_before, PAGE).await })
            });
            let page: Vec<RevokedToken> = page.await?;
            page.iter().for_each(|token| self.tokens.add(token));
            let Some(last) = page.last() else { return Ok(()) };
            after = (last.server.to_string(), last.token_id.clone());
        }
    }

    /// Applies a mark that the change feed tells of. Whether it could be read.
    pub(crate) fn apply_mark(&self, change: &str) -> bool {
        StoredMark::parse(change).map(|mark| self.marks.set(mark)).is_some()
    }

    /// Applies a revoked token that the change feed tells of. Whether it could be read.
    pub(crate) fn apply_token(&self, change: &str) -> bool {
        RevokedToken::parse(change).map(|token| self.tokens.add(&token)).is_some()
    }
}
