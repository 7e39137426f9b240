//! Every single revoked token in memory.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{PoisonError, RwLock};

use countersign_protocol::Timestamp;
use countersign_protocol::status::StatusReference;

use super::RevokedPlaces;
use crate::ids::AuthorizationServerId;
use crate::oauth::IssuedToken;
use crate::status_lists::is_place;

/// Tokens whose expiries lie in the same span of this many seconds are kept, and
/// forgotten, together.
const SPAN_SECONDS: i64 = 300;

/// A revoked token as it stands in storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedToken {
    /// Who issued it.
    pub server: AuthorizationServerId,
    /// Its `jti`.
    pub token_id: String,
    /// Its `exp`.
    pub expires_at: Timestamp,
}

impl RevokedToken {
    /// What is kept of a token that is revoked.
    pub(crate) fn of(issued: &IssuedToken) -> Self {
        Self { server: issued.server.id.clone(), token_id: issued.token_id.clone(), expires_at: issued.claims.expires_at }
    }

    /// List and place, if a status list has a place for the token.
    pub fn place(&self) -> Option<(&str, u64)> {
        place_of(&self.token_id)
    }
}

fn place_of(token_id: &str) -> Option<(&str, u64)> {
    StatusReference::parse_token_id(token_id).filter(|(list_id, index)| is_place(list_id, *index))
}

impl fmt::Display for RevokedToken {
    /// The form in the change feed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.expires_at.as_seconds(), self.server, self.token_id)
    }
}

impl RevokedToken {
    /// Reads the form in the change feed.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        Some(Self {
            expires_at: Timestamp::from_seconds(parts.next()?.parse().ok()?),
            server: AuthorizationServerId::from_stored(parts.next()?),
            token_id: parts.next()?.to_owned(),
        })
    }
}

/// The revoked tokens: one bit for each that has a place in a status list, eight bytes for
/// any other. Tokens are only added, and forgotten once they have expired. Of those without
/// a place, two of one span that share a hash, one of them revoked, would be told wrong: with
/// ten million revoked tokens that is one lookup in 10^12, and nobody can aim at it, because
/// the hash has a random key.
#[derive(Default)]
pub struct RevokedTokens {
    places: RevokedPlaces,
    by_span: RwLock<BTreeMap<i64, HashSet<u64>>>,
    hasher: RandomState,
}

impl RevokedTokens {
    /// Adds a token. Doing it twice changes nothing.
    pub fn add(&self, token: &RevokedToken) {
        if let Some((list_id, index)) = token.place() {
            return self.places.add(&token.server, list_id, index, token.expires_at);
        }
        let (span, hash) = self.slot(&token.server, &token.token_id, token.expires_at);
        self.by_span.write().unwrap_or_else(PoisonError::into_inner).entry(span).or_default().insert(hash);
    }

    /// Whether a token is revoked; `expires_at` is its `exp`.
    pub fn contains(&self, server: &AuthorizationServerId, token_id: &str, expires_at: Timestamp) -> bool {
        if let Some((list_id, index)) = place_of(token_id) {
            return self.places.contains(server, list_id, index);
        }
        let (span, hash) = self.slot(server, token_id, expires_at);
        self.by_span.read().unwrap_or_else(PoisonError::into_inner).get(&span).is_some_and(|hashes| hashes.contains(&hash))
    }

    /// Forgets tokens that had expired at `now`, whole spans at a time.
    pub fn forget_expired(&self, now: Timestamp) {
        self.places.forget_expired(now);
        let current = now.as_seconds().div_euclid(SPAN_SECONDS);
        let mut by_span = self.by_span.write().unwrap_or_else(PoisonError::into_inner);
        let kept = by_span.split_off(&current);
        let expired = std::mem::replace(&mut *by_span, kept);
        // Freeing millions takes a while: not under the lock.
        drop(by_span);
        drop(expired);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let unplaced: usize = self.by_span.read().unwrap_or_else(PoisonError::into_inner).values().map(HashSet::len).sum();
        unplaced + self.places.len()
    }

    /// Those with a place in a status list.
    pub const fn places(&self) -> &RevokedPlaces {
        &self.places
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn slot(&self, server: &AuthorizationServerId, token_id: &str, expires_at: Timestamp) -> (i64, u64) {
        (expires_at.as_seconds().div_euclid(SPAN_SECONDS), self.hasher.hash_one((server.as_str(), token_id)))
    }
}

impl fmt::Debug for RevokedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevokedTokens").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: &str, expires_at: i64) -> RevokedToken {
        RevokedToken {
            server: AuthorizationServerId::default_server(),
            token_id: id.to_owned(),
            expires_at: Timestamp::from_seconds(expires_at),
        }
    }

    fn holds(tokens: &RevokedTokens, token: &RevokedToken) -> bool {
        tokens.contains(&token.server, &token.token_id, token.expires_at)
    }

    #[test]
    fn a_token_is_held_until_it_has_expired() {
        let tokens = RevokedTokens::default();
        let (early, late) = (token("early", 600), token("late", 899));
        for token in [&early, &late, &late] {
            tokens.add(token);
        }
        assert_eq!(tokens.len(), 2);
        for now in [0, 600, 898, 899] {
            tokens.forget_expired(Timestamp::from_seconds(now));
            assert!(holds(&tokens, &late), "{now}");
        }
        tokens.forget_expired(Timestamp::from_seconds(900));
        assert!(tokens.is_empty() && !holds(&tokens, &late) && !holds(&tokens, &early));
    }

    #[test]
    fn a_token_with_a_place_is_one_bit_until_its_list_ends() {
        let tokens = RevokedTokens::default();
        let placed = token("3.721425", 601);
        for _ in 0..2 {
            tokens.add(&placed);
        }
        assert_eq!((tokens.len(), tokens.places().count(&placed.server, "3")), (1, 1));
        for other in ["3.721424", "4.721425", "3.721425 "] {
            assert!(!holds(&tokens, &token(other, 601)), "{other}");
        }
        assert!(!holds(&tokens, &RevokedToken { server: AuthorizationServerId::from_stored("other"), ..placed.clone() }));
        tokens.forget_expired(Timestamp::from_seconds(899));
        assert!(holds(&tokens, &placed));
        tokens.forget_expired(Timestamp::from_seconds(900));
        assert!(tokens.is_empty() && !holds(&tokens, &placed));
    }

    #[test]
    fn what_is_no_place_of_ours_is_kept_by_its_whole_id() {
        let tokens = RevokedTokens::default();
        for id in ["3.1048576", "x.1", "3.01", "03.1"] {
            tokens.add(&token(id, 600));
            assert!(holds(&tokens, &token(id, 600)) && !holds(&tokens, &token("3.1", 600)), "{id}");
        }
        assert_eq!(tokens.places().len(), 0);
    }

    #[test]
    fn other_tokens_and_other_authorization_servers_are_not_touched() {
        let tokens = RevokedTokens::default();
        tokens.add(&token("a", 600));
        assert!(!holds(&tokens, &token("b", 600)));
        assert!(!holds(&tokens, &RevokedToken { server: AuthorizationServerId::from_stored("other"), ..token("a", 600) }));
    }

    #[test]
    fn a_hundred_thousand_revoked_tokens_touch_no_other() {
        let tokens = RevokedTokens::default();
        for number in 0..100_000 {
            tokens.add(&token(&format!("revoked-{number}"), 600));
        }
        assert_eq!(tokens.len(), 100_000);
        assert!((0..100_000).all(|number| !holds(&tokens, &token(&format!("alive-{number}"), 600))));
    }

    #[test]
    fn the_form_in_the_feed_reads_back() {
        let token = token("id with spaces", 1_800_000_600);
        assert_eq!(RevokedToken::parse(&token.to_string()), Some(token));
        for text in ["", "1", "1 default", "x default a"] {
            assert_eq!(RevokedToken::parse(text), None, "{text}");
        }
    }
}
