//! Marks that are in force.

use std::collections::HashMap;

use super::{Mark, MarkName, TokenFacts};
use crate::Timestamp;

/// Marks by name. They only move forward, so applying them twice or in another order
/// gives the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    by_name: HashMap<MarkName, Timestamp>,
    /// No mark is about a token issued since.
    latest: Timestamp,
}

impl Marks {
    /// Sets a mark, unless a later one of the same name stands.
    pub fn set(&mut self, mark: Mark) {
        let standing = self.by_name.entry(mark.name).or_insert(mark.not_before);
        *standing = mark.not_before.max(*standing);
        self.latest = self.latest.max(mark.not_before);
    }

    /// The latest of all marks: none is about a token issued at or after it.
    pub const fn latest(&self) -> Timestamp {
        self.latest
    }

    /// The effective not-before time of a token, the latest of all marks that it
    /// matches, if it was issued before that: it is revoked. `None`: no mark revokes it.
    pub fn revoking(&self, token: &TokenFacts<'_>, issued_at: Timestamp) -> Option<Timestamp> {
        if issued_at >= self.latest {
            return None;
        }
        let effective = token.names().iter().filter_map(|name| self.by_name.get(name)).max().copied();
        effective.filter(|not_before| issued_at < *not_before)
    }

    /// Forgets the marks before `time`: every token they are about has expired.
    pub fn forget_before(&mut self, time: Timestamp) {
        self.by_name.retain(|_, not_before| *not_before >= time);
        self.by_name.shrink_to_fit();
    }

    /// Every mark, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Mark> {
        self.by_name.iter().map(|(name, not_before)| Mark { name: name.clone(), not_before: *not_before })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: TokenFacts<'_> =
        TokenFacts { server: "one", audience: "a", client_id: "c", credential_id: "k", key_id: "s", subject: "c" };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn mark(name: MarkName, seconds: i64) -> Mark {
        Mark { name, not_before: at(seconds) }
    }

    #[test]
    fn the_latest_of_all_matching_marks_counts_whichever_is_set_first() {
        let names = TOKEN.names();
        // Every assignment of two times or nothing to the six kinds, in both orders.
        for assignment in 0..3_u32.pow(6) {
            let times: Vec<i64> = (0..6).map(|kind| [0, 10, 20][(assignment / 3_u32.pow(kind) % 3) as usize]).collect();
            for forward in [true, false] {
                let mut marks = Marks::default();
                let mut order: Vec<usize> = (0..6).filter(|kind| times[*kind] > 0).collect();
                if !forward {
                    order.reverse();
                }
                order.iter().for_each(|kind| marks.set(mark(names[*kind].clone(), times[*kind])));
                let latest = times.iter().copied().max().filter(|time| *time > 0);
                for issued_at in [9, 10, 19, 20, 21] {
                    let expected = latest.filter(|latest| issued_at < *latest).map(at);
                    assert_eq!(marks.revoking(&TOKEN, at(issued_at)), expected, "{times:?} {issued_at}");
                }
            }
        }
    }

    #[test]
    fn marks_are_about_what_they_name_alone() {
        let mut marks = Marks::default();
        for name in [
            MarkName::new("all", "two", ""),
            MarkName::new("aud", "two", "a"),
            MarkName::new("aud", "one", "a "),
            MarkName::new("client", "", "C"),
            MarkName::new("client", "", ""),
            MarkName::new("cred", "", "c"),
            MarkName::new("kid", "", "k"),
            MarkName::new("sub", "", "s"),
        ] {
            marks.set(mark(name, 100));
        }
        assert_eq!(marks.revoking(&TOKEN, at(1)), None);
        marks.set(mark(MarkName::new("all", "one", ""), 50));
        assert_eq!(marks.revoking(&TOKEN, at(1)), Some(at(50)));
    }

    #[test]
    fn marks_never_move_back_and_are_forgotten_by_time() {
        let mut marks = Marks::default();
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
    fn a_mark_reads_back_whatever_its_value() {
        for value in ["", "a", "a b  c", "caf\u{e9} 1 2"] {
            let mark = mark(MarkName::new("sub", "", value), 1_234);
            assert_eq!(Mark::parse(&mark.to_string()), Some(mark.clone()));
            assert_eq!(mark.name.parts(), ("sub", "", value));
        }
        for bad in ["", "x sub  a", "12"] {
            assert_eq!(Mark::parse(bad), None, "{bad}");
        }
    }
}
