//! What the next record will tell.

use countersign_protocol::status::{Contents, MarkName, RevokedTokenId};

use crate::api_keys::EVERY_KEY;
use crate::ids::{ApiKeyId, AuthorizationServerId};
use crate::revocation::{RevokedToken, StoredMark};
use crate::store::{Change, ChangeKind};

/// About how many bytes of claims a record has at most: the limit on a JWT is 16 KiB.
const MAX_BYTES: usize = 8 * 1024;

/// News in the order in which they came, cut into records.
#[derive(Debug, Default)]
pub(super) struct Pending {
    full: Vec<Contents>,
    last: Contents,
    bytes: usize,
}

impl Pending {
    /// Adds what a change means to who follows the feed of `server`.
    pub(super) fn add(&mut self, server: &AuthorizationServerId, change: &Change) {
        let id = change.object_id.as_str();
        match change.kind {
            Some(ChangeKind::RevokedToken) => {
                if let Some(token) = RevokedToken::parse(id).filter(|token| token.server == *server) {
                    self.add_token(&token);
                }
            }
            Some(ChangeKind::RevocationMark) => {
                if let Some(mark) = StoredMark::parse(id).and_then(|mark| as_told(server, &mark)) {
                    self.grow(mark.name.parts().2.len());
                    self.last.marks.push(mark);
                }
            }
            Some(ChangeKind::ApiKey) if id == EVERY_KEY => self.add_key(EVERY_KEY.to_owned()),
            // Lookups are not told: that of an imported secret is made of its hash.
            Some(ChangeKind::ApiKey) => {
                if let Some(id) = ApiKeyId::parse(id) {
                    self.add_key(id.to_string());
                }
            }
            // A key dies with its client.
            Some(ChangeKind::Client) => self.add_key(format!("client {id}")),
            // A resource server may be gone, and its keys with it.
            Some(ChangeKind::Catalog) | None => self.add_key(EVERY_KEY.to_owned()),
            // Its feed ends.
            Some(ChangeKind::StatusFeedKey) => {}
        }
    }

    /// Says that the signing keys are others now.
    pub(super) const fn keys_changed(&mut self) {
        self.last.are_keys_changed = true;
    }

    /// What the next records tell.
    pub(super) fn take(&mut self) -> Vec<Contents> {
        let Self { mut full, last, .. } = std::mem::take(self);
        if !last.is_empty() {
            full.push(last);
        }
        full
    }

    fn add_token(&mut self, token: &RevokedToken) {
        self.grow(token.token_id.len());
        match token.place() {
            Some((list_id, index)) => self.last.revoked.entry(list_id.to_owned()).or_default().push(index),
            None => {
                let told = RevokedTokenId { token_id: token.token_id.clone(), expires_at: token.expires_at };
                self.last.tokens.push(told);
            }
        }
    }

    fn add_key(&mut self, id: String) {
        if !self.last.api_keys.contains(&id) {
            self.grow(id.len());
            self.last.api_keys.push(id);
        }
    }

    /// Begins another record where this one would become too long.
    fn grow(&mut self, value_bytes: usize) {
        // Brackets, commas, a time; a value may be escaped.
        self.bytes += value_bytes * 2 + 40;
        if self.bytes > MAX_BYTES {
            self.full.push(std::mem::take(&mut self.last));
            self.bytes = value_bytes * 2 + 40;
        }
    }
}

/// A mark as the feed of `server` tells it; `None`: it is about another one.
pub(super) fn as_told(server: &AuthorizationServerId, mark: &StoredMark) -> Option<StoredMark> {
    let (kind, of, value) = mark.name.parts();
    let name = (of.is_empty() || of == server.as_str()).then(|| MarkName::new(kind, "", value))?;
    Some(StoredMark { name, not_before: mark.not_before })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: ChangeKind, object_id: &str) -> Change {
        Change { seq: 1, kind: Some(kind), object_id: object_id.to_owned() }
    }

    fn told(changes: &[Change]) -> Vec<Contents> {
        let mut pending = Pending::default();
        changes.iter().for_each(|change| pending.add(&AuthorizationServerId::default_server(), change));
        pending.take()
    }

    #[test]
    fn a_feed_tells_what_is_about_its_own_authorization_server() {
        let told = told(&[
            change(ChangeKind::RevokedToken, "900 default 3f.7"),
            change(ChangeKind::RevokedToken, "900 other 3f.8"),
            change(ChangeKind::RevokedToken, "900 default abc"),
            change(ChangeKind::RevocationMark, "5 client  a b"),
            change(ChangeKind::RevocationMark, "5 all other "),
            change(ChangeKind::RevocationMark, "5 all default "),
            change(ChangeKind::ApiKey, "key_1"),
            change(ChangeKind::ApiKey, "lookup"),
            change(ChangeKind::Client, "c"),
            change(ChangeKind::Client, "c"),
        ]);
        let [only] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(only.revoked.get("3f"), Some(&vec![7]));
        assert_eq!((only.revoked.len(), only.tokens.len()), (1, 1));
        let names: Vec<_> = only.marks.iter().map(|mark| mark.name.parts()).collect();
        assert_eq!(names, [("client", "", "a b"), ("all", "", "")]);
        assert_eq!(only.api_keys, ["key_1", "client c"]);
    }

    #[test]
    fn many_news_are_cut_into_records_and_none_is_lost() {
        let changes: Vec<Change> =
            (0..5_000).map(|number| change(ChangeKind::RevokedToken, &format!("900 default 3f.{number}"))).collect();
        let told = told(&changes);
        assert!(told.len() > 1);
        let places: Vec<u64> = told.iter().flat_map(|contents| contents.revoked["3f"].clone()).collect();
        assert_eq!(places, (0..5_000).collect::<Vec<u64>>());
    }
}
