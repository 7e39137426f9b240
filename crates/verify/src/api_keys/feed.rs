//! What has changed about keys, as far as the server has said.
//!
//! Verdicts and changes carry positions in one order. A verdict holds while no change of
//! its key or its client is later, whichever of the two arrives first.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};

use countersign_protocol::Timestamp;
use countersign_protocol::jose::json::strict_object;
use serde_json::Value;

/// Most keys and clients that are remembered as changed; with more, everything has.
const MAX_CHANGED: usize = 10_000;

/// What a verdict rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Footing {
    pub(super) key_id: Box<str>,
    pub(super) client_id: Box<str>,
    /// Up to where in the feed it takes account of every change.
    pub(super) position: i64,
    /// Which feed that is: one that begins anew is another.
    pub(super) generation: i64,
}

/// The changes that were told.
pub(super) struct Feed {
    told: RwLock<Told>,
    /// Where the last change of anything lies: most verdicts are later.
    last_change: AtomicI64,
    generation: AtomicI64,
    /// When the server said so last, in milliseconds.
    heard_at: AtomicI64,
}

#[derive(Default)]
struct Told {
    /// Where the feed was when it was heard last; `None`: it never was.
    position: Option<i64>,
    /// Verdicts before it are about another world.
    floor: i64,
    changed: HashMap<Box<str>, i64>,
}

/// An answer of the feed is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer about changes is not what was asked for")]
pub(super) struct MalformedChanges;

impl Feed {
    pub(super) fn new() -> Self {
        Self {
            told: RwLock::default(),
            last_change: AtomicI64::new(i64::MIN),
            generation: AtomicI64::new(0),
            heard_at: AtomicI64::new(i64::MIN),
        }
    }

    /// Where it was when it was heard last.
    pub(super) fn position(&self) -> Option<i64> {
        self.told.read().unwrap_or_else(PoisonError::into_inner).position
    }

    pub(super) fn generation(&self) -> i64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Whether the server has said within `seconds` before `now` what has changed.
    pub(super) fn is_heard(&self, now: Timestamp, seconds: i64) -> bool {
        let heard_at = self.heard_at.load(Ordering::SeqCst);
        heard_at != i64::MIN && (0..=seconds * 1_000).contains(&now.millis_since(Timestamp::from_millis(heard_at)))
    }

    /// Whether nothing that a verdict rests on has changed since, as far as was told.
    pub(super) fn bears(&self, footing: &Footing) -> bool {
        if footing.generation != self.generation() {
            return false;
        }
        if footing.position >= self.last_change.load(Ordering::SeqCst) {
            return true;
        }
        let told = self.told.read().unwrap_or_else(PoisonError::into_inner);
        let is_unchanged = |id: &str| told.changed.get(id).is_none_or(|at| *at <= footing.position);
        footing.position >= told.floor && is_unchanged(&footing.key_id) && is_unchanged(&footing.client_id)
    }

    /// Takes in what the server said at `now`. Returns whether something has changed.
    pub(super) fn hear(&self, body: &[u8], now: Timestamp) -> Result<bool, MalformedChanges> {
        let heard = Heard::read(body)?;
        let is_news = self.apply(heard);
        self.heard_at.store(now.as_millis(), Ordering::SeqCst);
        Ok(is_news)
    }

    fn apply(&self, heard: Heard) -> bool {
        let Heard { position, everything, ids } = heard;
        let mut told = self.told.write().unwrap_or_else(PoisonError::into_inner);
        let went_back = told.position.is_some_and(|before| position < before);
        let is_first = told.position.is_none();
        told.position = Some(position);
        if went_back {
            // Positions mean something else now. Verdicts on their way are of the former feed.
            self.generation.fetch_add(1, Ordering::SeqCst);
        }
        let is_full = told.changed.len() + ids.len() > MAX_CHANGED;
        if everything || went_back || is_first || is_full {
            told.floor = position;
            told.changed.clear();
            self.last_change.store(position, Ordering::SeqCst);
            return !is_first;
        }
        let is_news = !ids.is_empty();
        told.changed.extend(ids.into_iter().map(|id| (id, position)));
        if is_news {
            self.last_change.store(position, Ordering::SeqCst);
        }
        is_news
    }
}

struct Heard {
    position: i64,
    everything: bool,
    ids: Vec<Box<str>>,
}

impl Heard {
    fn read(body: &[u8]) -> Result<Self, MalformedChanges> {
        let members = strict_object(body).map_err(|_| MalformedChanges)?;
        let mut ids = Vec::new();
        for name in ["key_ids", "client_ids"] {
            for id in members.get(name).and_then(Value::as_array).ok_or(MalformedChanges)? {
                ids.push(id.as_str().ok_or(MalformedChanges)?.into());
            }
        }
        Ok(Self {
            position: members.get("position").and_then(Value::as_i64).ok_or(MalformedChanges)?,
            everything: members.get("everything").and_then(Value::as_bool).ok_or(MalformedChanges)?,
            ids,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn hear(feed: &Feed, position: i64, everything: bool, keys: &[&str], clients: &[&str]) -> bool {
        let body = serde_json::json!({ "position": position, "everything": everything, "key_ids": keys, "client_ids": clients });
        feed.hear(body.to_string().as_bytes(), NOW).unwrap()
    }

    fn at(feed: &Feed, position: i64) -> Footing {
        Footing { key_id: "key_a".into(), client_id: "client-a".into(), position, generation: feed.generation() }
    }

    #[test]
    fn a_verdict_holds_until_a_later_change_of_its_key_or_client() {
        for (keys, clients) in [(&["key_a"][..], &[][..]), (&[], &["client-a"])] {
            let feed = Feed::new();
            hear(&feed, 10, false, &[], &[]);
            assert!(feed.bears(&at(&feed, 10)) && !feed.bears(&at(&feed, 9)));
            assert!(!hear(&feed, 15, false, &[], &[]));
            assert!(hear(&feed, 20, false, &["key_b"], &["client-b"]));
            assert!(feed.bears(&at(&feed, 10)));
            assert!(hear(&feed, 30, false, keys, clients));
            // Also one that was given before and arrives now.
            assert!(!feed.bears(&at(&feed, 10)) && !feed.bears(&at(&feed, 29)) && feed.bears(&at(&feed, 30)));
            assert!(hear(&feed, 40, true, &[], &[]));
            assert!(!feed.bears(&at(&feed, 39)) && feed.bears(&at(&feed, 40)));
        }
    }

    #[test]
    fn a_feed_that_goes_back_ends_every_verdict_and_those_on_their_way() {
        let feed = Feed::new();
        hear(&feed, 100, false, &[], &[]);
        let before = at(&feed, 100);
        assert!(hear(&feed, 7, true, &[], &[]));
        assert!(!feed.bears(&before) && feed.bears(&at(&feed, 7)));
    }

    #[test]
    fn more_changes_than_are_remembered_are_everything() {
        let feed = Feed::new();
        hear(&feed, 0, false, &[], &[]);
        for number in 1..=25_000 {
            hear(&feed, number, false, &[&format!("key_{number}")], &[]);
            assert!(feed.told.read().unwrap().changed.len() <= MAX_CHANGED);
        }
        assert!(!feed.bears(&at(&feed, 19_000)) && feed.bears(&at(&feed, 25_000)));
    }

    #[test]
    fn silence_is_not_freshness() {
        let feed = Feed::new();
        assert!(!feed.is_heard(NOW, 5));
        hear(&feed, 1, false, &[], &[]);
        assert!(feed.is_heard(NOW, 5) && feed.is_heard(NOW.plus_seconds(5), 5));
        assert!(!feed.is_heard(NOW.plus_millis(5_001), 5) && !feed.is_heard(NOW.plus_seconds(-1), 5));
    }

    #[test]
    fn what_is_no_answer_is_not_heard() {
        let feed = Feed::new();
        for body in [
            "",
            "[]",
            "{}",
            r#"{"position":1,"everything":false,"key_ids":[1],"client_ids":[]}"#,
            r#"{"position":"1","everything":false,"key_ids":[],"client_ids":[]}"#,
        ] {
            assert_eq!(feed.hear(body.as_bytes(), NOW), Err(MalformedChanges), "{body}");
        }
        assert!(!feed.is_heard(NOW, 60) && feed.position().is_none());
    }
}
