//! Every mark in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};

use countersign_protocol::Timestamp;

use super::{MarkName, StoredMark, TokenFacts};

/// The marks. They only move forward, so applying them twice or in another order
/// gives the same.
#[derive(Debug, Default)]
pub struct Marks {
    by_name: RwLock<HashMap<MarkName, Timestamp>>,
    /// The latest of all, in milliseconds: no mark is about a token issued since.
    latest: AtomicI64,
}

impl Marks {
    /// Sets a mark, unless a later one of the same name stands.
    pub fn set(&self, mark: StoredMark) {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        let standing = by_name.entry(mark.name).or_insert(mark.not_before);
        *standing = mark.not_before.max(*standing);
        self.latest.fetch_max(mark.not_before.as_millis(), Ordering::SeqCst);
    }

    /// The latest of all marks that a token issued at `issued_at` matches and that
    /// come after it: the token is revoked. `None`: no mark revokes it.
    pub fn revoking(&self, token: &TokenFacts<'_>, issued_at: Timestamp) -> Option<Timestamp> {
        if issued_at.as_millis() >= self.latest.load(Ordering::SeqCst) {
            return None;
        }
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let latest = token.names().iter().filter_map(|name| by_name.get(name)).max().copied();
        latest.filter(|not_before| issued_at < *not_before)
    }

    /// Forgets the marks before `time`: every token they are about has expired.
    pub fn forget_before(&self, time: Timestamp) {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        by_name.retain(|_, not_before| *not_before >= time);
        by_name.shrink_to_fit();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AuthorizationServerId;
    use crate::revocation::Marked;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn mark(name: MarkName, seconds: i64) -> StoredMark {
        StoredMark { name, not_before: at(seconds) }
    }

    #[test]
    fn the_latest_of_all_matching_marks_counts_whichever_is_set_first() {
        let server = AuthorizationServerId::default_server();
        let token = TokenFacts { server: &server, audience: "a", client_id: "c", credential_id: "k", key_id: "s", subject: "c" };
        let names = token.names();
        // Every assignment of two times or nothing to the six kinds, in both orders.
        for assignment in 0..3_u32.pow(6) {
            let times: Vec<i64> = (0..6).map(|kind| [0, 10, 20][(assignment / 3_u32.pow(kind) % 3) as usize]).collect();
            for forward in [true, false] {
                let marks = Marks::default();
                let mut order: Vec<usize> = (0..6).filter(|kind| times[*kind] > 0).collect();
                if !forward {
                    order.reverse();
                }
                order.iter().for_each(|kind| marks.set(mark(names[*kind].clone(), times[*kind])));
                let latest = times.iter().copied().max().filter(|time| *time > 0);
                for issued_at in [9, 10, 19, 20, 21] {
                    let expected = latest.filter(|latest| issued_at < *latest).map(at);
                    assert_eq!(marks.revoking(&token, at(issued_at)), expected, "{times:?} {issued_at}");
                }
            }
        }
    }

    #[test]
    fn marks_are_about_what_they_name_alone() {
        let (server, other) = (AuthorizationServerId::from_stored("one"), AuthorizationServerId::from_stored("two"));
        let token = TokenFacts { server: &server, audience: "a", client_id: "c", credential_id: "k", key_id: "s", subject: "c" };
        let marks = Marks::default();
        for name in [
            MarkName::from(&Marked::All(other.clone())),
            MarkName::new("aud", other.as_str(), "a"),
            MarkName::new("aud", "one", "a "),
            MarkName::new("client", "", "C"),
            MarkName::new("client", "", ""),
            MarkName::new("cred", "", "c"),
            MarkName::new("kid", "", "k"),
            MarkName::new("sub", "", "s"),
        ] {
            marks.set(mark(name, 100));
        }
        assert_eq!(marks.revoking(&token, at(1)), None);
        marks.set(mark(MarkName::from(&Marked::All(server.clone())), 50));
        assert_eq!(marks.revoking(&token, at(1)), Some(at(50)));
    }

    #[test]
    fn marks_never_move_back_and_are_forgotten_by_time() {
        let marks = Marks::default();
        let name = MarkName::new("client", "", "c");
        for seconds in [20, 10] {
            marks.set(mark(name.clone(), seconds));
        }
        marks.forget_before(at(20));
        assert_eq!(marks.len(), 1);
        marks.forget_before(at(21));
        assert!(marks.is_empty());
    }

    #[test]
    fn the_form_in_the_feed_reads_back() {
        for name in [MarkName::new("sub", "", "a  b "), MarkName::new("all", "default", ""), MarkName::new("aud", "x1", "urn:a")] {
            let mark = mark(name, 1_800_000_001);
            assert_eq!(StoredMark::parse(&mark.to_string()), Some(mark));
        }
        for text in ["", "client", "x client  c", "9999999999999999999999 client  c"] {
            assert_eq!(StoredMark::parse(text), None, "{text}");
        }
    }
}
