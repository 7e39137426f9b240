//! Revoked tokens that have a place in a status list: one bit each, exactly.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};

use countersign_protocol::Timestamp;
use countersign_protocol::status::{SnapshotList, StatusList, TokenStatus};

use crate::ids::AuthorizationServerId;
use crate::status_lists::{LIST_ENTRIES, list_end};

/// The lists with a revoked token, by authorization server.
#[derive(Debug, Default)]
pub struct RevokedPlaces {
    by_server: RwLock<HashMap<AuthorizationServerId, BTreeMap<Box<str>, PlacedList>>>,
}

#[derive(Debug)]
struct PlacedList {
    expires_at: Timestamp,
    list: StatusList,
    revoked: usize,
}

impl RevokedPlaces {
    /// Adds a token that expires at `expires_at`. Doing it twice changes nothing.
    pub(super) fn add(&self, server: &AuthorizationServerId, list_id: &str, index: u64, expires_at: Timestamp) {
        let mut by_server = self.by_server.write().unwrap_or_else(PoisonError::into_inner);
        let lists = by_server.entry(server.clone()).or_default();
        let new = || PlacedList { expires_at, list: StatusList::new(LIST_ENTRIES), revoked: 0 };
        let list = lists.entry(list_id.into()).or_insert_with(new);
        list.expires_at = list.expires_at.max(list_end(expires_at));
        if list.list.status(index) == Some(TokenStatus::Valid) && list.list.revoke(index) {
            list.revoked += 1;
        }
    }

    /// Whether a token is revoked.
    pub(super) fn contains(&self, server: &AuthorizationServerId, list_id: &str, index: u64) -> bool {
        let by_server = self.by_server.read().unwrap_or_else(PoisonError::into_inner);
        let list = by_server.get(server).and_then(|lists| lists.get(list_id));
        list.is_some_and(|list| list.list.status(index) == Some(TokenStatus::Invalid))
    }

    /// A list, and how many of its tokens are revoked.
    pub fn list(&self, server: &AuthorizationServerId, list_id: &str) -> (StatusList, usize) {
        let by_server = self.by_server.read().unwrap_or_else(PoisonError::into_inner);
        let list = by_server.get(server).and_then(|lists| lists.get(list_id));
        list.map_or_else(|| (StatusList::new(LIST_ENTRIES), 0), |list| (list.list.clone(), list.revoked))
    }

    /// How many tokens of a list are revoked.
    pub fn count(&self, server: &AuthorizationServerId, list_id: &str) -> usize {
        let by_server = self.by_server.read().unwrap_or_else(PoisonError::into_inner);
        by_server.get(server).and_then(|lists| lists.get(list_id)).map_or(0, |list| list.revoked)
    }

    /// Every list of an authorization server that has a revoked token and ends after `ended_before`.
    pub fn lists(&self, server: &AuthorizationServerId, ended_before: Timestamp) -> BTreeMap<String, SnapshotList> {
        let by_server = self.by_server.read().unwrap_or_else(PoisonError::into_inner);
        let copied = |list: &PlacedList| SnapshotList { expires_at: list.expires_at, list: list.list.clone() };
        let lists = by_server.get(server).into_iter().flatten().filter(|(_, list)| list.expires_at > ended_before);
        lists.map(|(id, list)| (id.to_string(), copied(list))).collect()
    }

    /// Forgets lists whose tokens had all expired at `now`.
    pub(super) fn forget_expired(&self, now: Timestamp) {
        let mut by_server = self.by_server.write().unwrap_or_else(PoisonError::into_inner);
        for lists in by_server.values_mut() {
            lists.retain(|_, list| list.expires_at > now);
        }
        by_server.retain(|_, lists| !lists.is_empty());
    }

    /// How many tokens are revoked.
    pub(super) fn len(&self) -> usize {
        let by_server = self.by_server.read().unwrap_or_else(PoisonError::into_inner);
        by_server.values().flat_map(BTreeMap::values).map(|list| list.revoked).sum()
    }
}
