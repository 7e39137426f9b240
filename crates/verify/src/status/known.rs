//! What is known to be revoked, read without a lock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_protocol::jose::{AudienceClaim, Claims};
use countersign_protocol::status::{Contents, Mark, Marks, RevokedTokenId, Snapshot, StatusList, StatusReference, TokenFacts};
use countersign_protocol::{ErrorCode, Timestamp};
use serde_json::Value;

use super::revoked_ids::RevokedIds;

/// Places of a list whose size nobody told.
const USUAL_ENTRIES: u32 = 1 << 20;
/// Longest life of a token, in seconds: what news made is kept so long.
const MAX_LIFE_SECONDS: i64 = 86_400 + 600;
/// Tokens may be accepted this long after their `exp`, in seconds.
const MAX_LEEWAY_SECONDS: i64 = 300;

/// One state. What is known to be revoked stays so until it has expired both by the issuer's
/// time and by the clock here: either may be wrong. News that only set bits of lists that are here change it
/// in place.
#[derive(Debug, Default)]
pub(super) struct Known {
    lists: HashMap<Box<str>, Arc<ListBits>>,
    tokens: RevokedIds,
    marks: Arc<Marks>,
}

/// A list of one bit per token.
#[derive(Debug)]
struct ListBits {
    words: Box<[AtomicU64]>,
    expires_at: Timestamp,
}

impl ListBits {
    fn new(list: &StatusList, expires_at: Timestamp) -> Self {
        let word = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        Self { words: list.as_bytes().chunks(8).map(|bytes| AtomicU64::new(word(bytes))).collect(), expires_at }
    }

    fn word(&self, index: u64) -> Option<&AtomicU64> {
        self.words.get(usize::try_from(index / 64).ok()?)
    }

    fn is_revoked(&self, index: u64) -> Option<bool> {
        self.word(index).map(|word| word.load(Ordering::Acquire) >> (index % 64) & 1 == 1)
    }

    fn revoke(&self, index: u64) {
        if let Some(word) = self.word(index) {
            word.fetch_or(1 << (index % 64), Ordering::AcqRel);
        }
    }

    /// Adds what another list says is revoked.
    fn merge(&self, other: &Self) {
        self.words.iter().zip(&other.words).for_each(|(own, other)| {
            own.fetch_or(other.load(Ordering::Acquire), Ordering::AcqRel);
        });
    }
}

impl Known {
    /// This state and all that a snapshot tells: one that is older than what is known here
    /// takes nothing back.
    pub(super) fn and(&self, snapshot: &Snapshot, now: Timestamp) -> Self {
        let past = snapshot.as_of.min(now);
        let mut lists = self.lists_at(past);
        for (id, told) in &snapshot.lists {
            let list = ListBits::new(&told.list, told.expires_at);
            if let Some(own) = self.lists.get(id.as_str()) {
                list.merge(own);
            }
            lists.insert(id.as_str().into(), Arc::new(list));
        }
        Self { lists, tokens: self.with_tokens(&snapshot.tokens, past), marks: self.with_marks(&snapshot.marks, past) }
    }

    /// The state after `news`, told at `as_of`; `None`: they changed this one in place.
    pub(super) fn after(&self, news: &Contents, as_of: Timestamp, now: Timestamp) -> Option<Self> {
        let is_new = |id: &String| !self.lists.contains_key(id.as_str());
        if news.marks.is_empty() && news.tokens.is_empty() && !news.revoked.keys().any(is_new) {
            self.set_bits(&news.revoked);
            return None;
        }
        let past = as_of.min(now);
        let mut lists = self.lists_at(past);
        for id in news.revoked.keys() {
            let end = as_of.plus_seconds(MAX_LIFE_SECONDS);
            let new = || Arc::new(ListBits::new(&StatusList::new(USUAL_ENTRIES), end));
            lists.entry(id.as_str().into()).or_insert_with(new);
        }
        let next = Self { lists, tokens: self.with_tokens(&news.tokens, past), marks: self.with_marks(&news.marks, past) };
        next.set_bits(&news.revoked);
        Some(next)
    }

    /// Adds what a status list of one bit says.
    pub(super) fn merge(&self, list_id: &str, list: &StatusList, expires_at: Timestamp) -> Option<Self> {
        if list.bits() != 1 {
            return None;
        }
        let told = ListBits::new(list, expires_at);
        if let Some(own) = self.lists.get(list_id) {
            own.merge(&told);
            return None;
        }
        let mut lists = self.lists.clone();
        lists.insert(list_id.into(), Arc::new(told));
        Some(Self { lists, tokens: self.tokens.clone(), marks: Arc::clone(&self.marks) })
    }

    /// The lists with tokens that may be accepted at `time`.
    fn lists_at(&self, time: Timestamp) -> HashMap<Box<str>, Arc<ListBits>> {
        let mut lists = self.lists.clone();
        lists.retain(|_, list| list.expires_at.plus_seconds(MAX_LEEWAY_SECONDS) > time);
        lists
    }

    fn set_bits(&self, revoked: &BTreeMap<String, Vec<u64>>) {
        for (id, places) in revoked {
            if let Some(list) = self.lists.get(id.as_str()) {
                places.iter().for_each(|place| list.revoke(*place));
            }
        }
    }

    fn with_tokens(&self, new: &[RevokedTokenId], as_of: Timestamp) -> RevokedIds {
        let mut tokens = self.tokens.clone();
        tokens.forget_before(as_of.plus_seconds(-MAX_LEEWAY_SECONDS));
        tokens.extend(new);
        tokens
    }

    fn with_marks(&self, new: &[Mark], as_of: Timestamp) -> Arc<Marks> {
        if new.is_empty() {
            return Arc::clone(&self.marks);
        }
        let mut marks = Marks::clone(&self.marks);
        marks.forget_before(as_of.plus_seconds(-MAX_LIFE_SECONDS));
        new.iter().cloned().for_each(|mark| marks.set(mark));
        Arc::new(marks)
    }

    /// Whether nothing known revokes a token of an issuer whose feed is that of `server`.
    ///
    /// # Errors
    /// [`ErrorCode::TokenRevoked`], [`ErrorCode::ClientRevoked`] for one that a mark revokes,
    /// [`ErrorCode::StatusPlaceInvalid`].
    pub(super) fn check(&self, claims: &Claims, key_id: Option<&str>, server: &str) -> Result<(), ErrorCode> {
        if self.is_marked(claims, key_id.unwrap_or_default()) {
            return Err(ErrorCode::ClientRevoked);
        }
        let is_revoked = match place_of(claims, server)? {
            // Nothing in a list that nobody told of is revoked.
            Some((list_id, index)) => match self.lists.get(list_id) {
                Some(list) => list.is_revoked(index).ok_or(ErrorCode::StatusPlaceInvalid)?,
                None => false,
            },
            None => false,
        };
        let is_named = |token_id: &str| self.tokens.contains(token_id, claims.expires_at) || self.is_revoked_by_id(token_id);
        if is_revoked || claims.token_id.as_deref().is_some_and(is_named) { Err(ErrorCode::TokenRevoked) } else { Ok(()) }
    }

    /// A token that does not say its place may have it in its `jti`.
    fn is_revoked_by_id(&self, token_id: &str) -> bool {
        let place = StatusReference::parse_token_id(token_id);
        place.and_then(|(list_id, index)| self.lists.get(list_id)?.is_revoked(index)).unwrap_or_default()
    }

    fn is_marked(&self, claims: &Claims, key_id: &str) -> bool {
        // A token that does not say when it was issued was issued before everything.
        let issued_at = claims.issued_at.unwrap_or_default();
        if issued_at >= self.marks.latest() {
            return false;
        }
        let text = |name: &str| claims.all.get(name).and_then(Value::as_str).unwrap_or_default();
        let facts = |audience| TokenFacts {
            server: "",
            audience,
            client_id: claims.client_id.as_deref().unwrap_or_default(),
            credential_id: text("cred"),
            key_id,
            subject: claims.subject.as_deref().unwrap_or_default(),
        };
        match &claims.audience {
            AudienceClaim::One(audience) => self.marks.revoking(&facts(audience), issued_at).is_some(),
            AudienceClaim::Several(several) => {
                let any = several.iter().any(|audience| self.marks.revoking(&facts(audience), issued_at).is_some());
                any || self.marks.revoking(&facts(""), issued_at).is_some()
            }
        }
    }
}

/// List and place of a token, if it names one. Of the lists of another server this feed tells
/// nothing, and nothing is not that all is well.
fn place_of<'a>(claims: &'a Claims, server: &str) -> Result<Option<(&'a str, u64)>, ErrorCode> {
    let Some((uri, index)) = reference_of(claims)? else { return Ok(None) };
    let (lists, list_id) = uri.rsplit_once('/').ok_or(ErrorCode::StatusPlaceInvalid)?;
    let mount = lists.strip_suffix("/v1/status").and_then(|issuer| issuer.strip_suffix(server));
    let is_told = mount.is_some_and(|mount| mount.ends_with("/oauth2/")) && !list_id.is_empty();
    if is_told { Ok(Some((list_id, index))) } else { Err(ErrorCode::StatusPlaceInvalid) }
}

/// The URL of a token's list, and its place (Token Status List section 6.2).
pub(super) fn reference_of(claims: &Claims) -> Result<Option<(&str, u64)>, ErrorCode> {
    let Some(status) = claims.all.get("status") else { return Ok(None) };
    let list = status.get("status_list");
    let uri = list.and_then(|list| list.get("uri")).and_then(Value::as_str);
    let index = list.and_then(|list| list.get("idx")).and_then(Value::as_u64);
    uri.zip(index).map(Some).ok_or(ErrorCode::StatusPlaceInvalid)
}
