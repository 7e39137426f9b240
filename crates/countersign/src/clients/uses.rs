//! When, whence and how credentials were used last: in memory until a job writes it,
//! because a token costs no database write.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use countersign_protocol::{ClientAuthMethod, Timestamp};

use crate::ids::CredentialId;
use crate::jobs::backlog::Backlog;
use crate::store::{StoreError, Tx};

/// Most credentials whose use waits to be written.
const MAX_PENDING: usize = 100_000;
/// Longest user agent that is kept, in characters.
const MAX_USER_AGENT_CHARS: usize = 200;

/// One use of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialUse {
    /// When.
    pub used_at: Timestamp,
    /// How it was presented.
    pub method: ClientAuthMethod,
    /// Where the request came from.
    pub source: Option<IpAddr>,
    /// What the request called itself, shortened to 200 characters.
    pub user_agent: Option<String>,
}

/// The latest use of each credential that is not written yet.
#[derive(Debug, Default)]
pub struct CredentialUses {
    pending: Mutex<HashMap<CredentialId, CredentialUse>>,
    /// What is to be written next.
    unwritten: Mutex<Vec<(CredentialId, CredentialUse)>>,
    writing: tokio::sync::Mutex<()>,
    dropped: AtomicU64,
}

impl CredentialUses {
    /// Notes a use.
    pub fn record(
        &self,
        id: &CredentialId,
        used_at: Timestamp,
        method: ClientAuthMethod,
        source: Option<IpAddr>,
        user_agent: Option<&str>,
    ) {
        let user_agent = user_agent.map(shortened);
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = pending.get_mut(id) {
            if known.used_at <= used_at {
                (known.used_at, known.method, known.source) = (used_at, method, source);
                // Mostly the same: then nothing is copied.
                if known.user_agent.as_deref() != user_agent {
                    known.user_agent = user_agent.map(str::to_owned);
                }
            }
        } else if pending.len() < MAX_PENDING {
            let user_agent = user_agent.map(str::to_owned);
            pending.insert(id.clone(), CredentialUse { used_at, method, source, user_agent });
        } else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many uses were not noted since this was asked last, because too many waited.
    pub fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

impl Backlog for CredentialUses {
    type Row = (CredentialId, CredentialUse);

    fn gather(&self, _: usize) -> usize {
        let noted = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        let mut waiting = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(noted);
        // The latest of each first.
        waiting.sort_by(|(a, used), (b, other)| a.cmp(b).then(other.used_at.cmp(&used.used_at)));
        waiting.dedup_by(|(next, _), (kept, _)| next == kept);
        let excess = waiting.len().saturating_sub(MAX_PENDING);
        self.dropped.fetch_add(u64::try_from(excess).unwrap_or(u64::MAX), Ordering::Relaxed);
        waiting.truncate(MAX_PENDING);
        waiting.len()
    }

    fn take(&self, most: usize) -> Vec<Self::Row> {
        let mut waiting = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = waiting.len().saturating_sub(most);
        waiting.split_off(rest)
    }

    fn give_back(&self, rows: Vec<Self::Row>) {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).extend(rows);
    }

    fn writing(&self) -> &tokio::sync::Mutex<()> {
        &self.writing
    }

    async fn write(tx: &mut Tx, (id, used): &Self::Row) -> Result<(), StoreError> {
        tx.record_credential_use(id, used).await
    }
}

fn shortened(user_agent: &str) -> &str {
    let end = user_agent.char_indices().nth(MAX_USER_AGENT_CHARS).map_or(user_agent.len(), |(at, _)| at);
    user_agent.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn record(uses: &CredentialUses, id: &str, at: Timestamp, user_agent: &str) {
        uses.record(&CredentialId::from_stored(id), at, ClientAuthMethod::ClientSecretBasic, None, Some(user_agent));
    }

    #[test]
    fn the_latest_use_of_each_credential_is_kept() {
        let uses = CredentialUses::default();
        record(&uses, "b", NOW, "one");
        record(&uses, "a", NOW.plus_seconds(2), "two");
        record(&uses, "a", NOW.plus_seconds(1), "older");
        record(&uses, "a", NOW.plus_seconds(3), &"\u{e9}".repeat(300));
        uses.gather(0);
        let taken = uses.take(9);
        let seen: Vec<_> = taken.iter().map(|(id, used)| (id.as_str(), used.used_at)).collect();
        assert_eq!(seen, [("a", NOW.plus_seconds(3)), ("b", NOW)]);
        assert_eq!(taken[0].1.user_agent, Some("\u{e9}".repeat(200)));
        assert_eq!((uses.gather(0), uses.take(9).len()), (0, 0));
    }

    #[test]
    fn what_is_given_back_does_not_replace_something_newer() {
        let uses = CredentialUses::default();
        record(&uses, "a", NOW, "old");
        record(&uses, "b", NOW, "old");
        uses.gather(0);
        let taken = uses.take(9);
        record(&uses, "a", NOW.plus_seconds(1), "new");
        uses.give_back(taken);
        assert_eq!(uses.gather(0), 2);
        let agents: Vec<_> = uses.take(9).into_iter().filter_map(|(_, used)| used.user_agent).collect();
        assert_eq!(agents, ["new", "old"]);
    }

    #[test]
    fn what_waits_is_taken_piece_by_piece() {
        let uses = CredentialUses::default();
        for id in ["c", "a", "b"] {
            record(&uses, id, NOW, "one");
        }
        assert_eq!(uses.gather(0), 3);
        let pieces: Vec<Vec<_>> = (0..3).map(|_| uses.take(2).into_iter().map(|(id, _)| id.to_string()).collect()).collect();
        assert_eq!(pieces, [vec!["b", "c"], vec!["a"], vec![]]);
    }
}
