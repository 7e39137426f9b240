//! Revoked tokens that have no place in a list: eight bytes for each.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ahash::RandomState;
use countersign_protocol::Timestamp;
use countersign_protocol::status::RevokedTokenId;

/// Tokens whose expiries lie in the same span of this many seconds are kept, and forgotten,
/// together: adding one copies the set of its span alone.
const SPAN_SECONDS: i64 = 300;

/// Keyed hashes of `jti`, by the span of `exp`. Two tokens of one span that share a hash, one
/// of them revoked, would be told wrong; nobody can aim at it, because the key is random.
#[derive(Clone, Debug, Default)]
pub(super) struct RevokedIds {
    by_span: BTreeMap<i64, Arc<HashSet<u64, RandomState>>>,
    hasher: RandomState,
}

impl RevokedIds {
    /// Adds tokens.
    pub(super) fn extend(&mut self, tokens: &[RevokedTokenId]) {
        for token in tokens {
            let hash = self.hasher.hash_one(token.token_id.as_str());
            Arc::make_mut(self.by_span.entry(span_of(token.expires_at)).or_default()).insert(hash);
        }
    }

    /// Whether a token is among them; `expires_at` is its `exp`.
    pub(super) fn contains(&self, token_id: &str, expires_at: Timestamp) -> bool {
        let span = self.by_span.get(&span_of(expires_at));
        span.is_some_and(|hashes| hashes.contains(&self.hasher.hash_one(token_id)))
    }

    /// Forgets the spans that ended before `time`.
    pub(super) fn forget_before(&mut self, time: Timestamp) {
        self.by_span = self.by_span.split_off(&span_of(time));
    }
}

const fn span_of(time: Timestamp) -> i64 {
    time.as_seconds().div_euclid(SPAN_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: &str, seconds: i64) -> RevokedTokenId {
        RevokedTokenId { token_id: id.to_owned(), expires_at: Timestamp::from_seconds(seconds) }
    }

    #[test]
    fn a_token_is_known_until_the_span_of_its_expiry_is_over() {
        let mut ids = RevokedIds::default();
        ids.extend(&[token("a", 299), token("b", 300)]);
        let at = Timestamp::from_seconds;
        assert!(
            ids.contains("a", at(299)) && ids.contains("b", at(300)) && !ids.contains("b", at(299)) && !ids.contains("c", at(299))
        );
        ids.forget_before(at(299));
        assert!(ids.contains("a", at(299)));
        ids.forget_before(at(300));
        assert!(!ids.contains("a", at(299)) && ids.contains("b", at(300)));
    }

    #[test]
    fn a_copy_shares_what_is_not_changed() {
        let mut ids = RevokedIds::default();
        ids.extend(&[token("a", 0), token("b", 300)]);
        let mut copy = ids.clone();
        copy.extend(&[token("c", 301)]);
        assert!(Arc::ptr_eq(&ids.by_span[&0], &copy.by_span[&0]) && !Arc::ptr_eq(&ids.by_span[&1], &copy.by_span[&1]));
        assert!(copy.contains("b", Timestamp::from_seconds(300)) && !ids.contains("c", Timestamp::from_seconds(301)));
    }
}
