//! When, whence and how credentials were used last: in memory until a job writes it,
//! because a token costs no database write.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use countersign_protocol::{ClientAuthMethod, Timestamp};

use crate::ids::CredentialId;

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

    /// Takes what waits to be written, in the order of the ids: nodes that write at
    /// once lock rows in the same order.
    pub fn take(&self) -> Vec<(CredentialId, CredentialUse)> {
        let taken = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        let mut taken: Vec<_> = taken.into_iter().collect();
        taken.sort_by(|(a, _), (b, _)| a.cmp(b));
        taken
    }

    /// Gives back what could not be written.
    pub fn give_back(&self, unwritten: impl IntoIterator<Item = (CredentialId, CredentialUse)>) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, older) in unwritten {
            match pending.entry(id) {
                Entry::Occupied(newer) if newer.get().used_at >= older.used_at => {}
                Entry::Occupied(mut entry) => drop(entry.insert(older)),
                Entry::Vacant(entry) => drop(entry.insert(older)),
            }
        }
    }

    /// How many uses were not noted since this was asked last, because too many waited.
    pub fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
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
        let taken = uses.take();
        let seen: Vec<_> = taken.iter().map(|(id, used)| (id.as_str(), used.used_at)).collect();
        assert_eq!(seen, [("a", NOW.plus_seconds(3)), ("b", NOW)]);
        assert_eq!(taken[0].1.user_agent, Some("\u{e9}".repeat(200)));
        assert!(uses.take().is_empty());
    }

    #[test]
    fn what_is_given_back_does_not_replace_something_newer() {
        let uses = CredentialUses::default();
        record(&uses, "a", NOW, "old");
        record(&uses, "b", NOW, "old");
        let taken = uses.take();
        record(&uses, "a", NOW.plus_seconds(1), "new");
        uses.give_back(taken);
        let agents: Vec<_> = uses.take().into_iter().filter_map(|(_, used)| used.user_agent).collect();
        assert_eq!(agents, ["new", "old"]);
    }
}
