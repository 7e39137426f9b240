//! Everything that a feed has told until a record, in one signed document.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::contents::{read_marks, read_tokens, write_marks, write_tokens};
use super::feed_jws::{open, sign};
use super::record::{position_claims, read_position};
use super::{ChainDigest, FeedError, FeedKeys, Mark, Position, RevokedTokenId, StatusList};
use crate::Timestamp;
use crate::jose::{SigningKey, SigningKeyError};

/// The `typ` of a snapshot.
pub const SNAPSHOT_JWT_TYPE: &str = "csn-snapshot+jwt";
/// Largest snapshot that is read, in bytes.
pub const MAX_SNAPSHOT_BYTES: usize = 128 * 1024 * 1024;

/// The state of a feed. A list that is not in it is all valid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// `as`: whose feed it is.
    pub authorization_server: String,
    /// As [`super::Record::as_of`].
    pub as_of: Timestamp,
    /// The last record that is in it.
    pub position: Position,
    /// `head`: that record.
    pub head: ChainDigest,
    /// The lists with a revoked token.
    pub lists: BTreeMap<String, SnapshotList>,
    /// Revoked tokens without a place in a list.
    pub tokens: Vec<RevokedTokenId>,
    /// The marks in force.
    pub marks: Vec<Mark>,
}

/// A list in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotList {
    /// Every token of the list has expired by then.
    pub expires_at: Timestamp,
    /// The list, of one bit.
    pub list: StatusList,
}

impl Snapshot {
    /// The snapshot as a signed JWT.
    ///
    /// # Errors
    /// [`SigningKeyError`].
    pub fn sign(&self, key: &SigningKey, key_id: &str) -> Result<String, SigningKeyError> {
        let mut claims = position_claims(&self.authorization_server, self.as_of, self.position);
        let lists: Map<String, Value> = self.lists.iter().map(|(id, list)| (id.clone(), list.to_value())).collect();
        claims.insert("head".to_owned(), json!(self.head.to_text()));
        claims.insert("lists".to_owned(), Value::Object(lists));
        claims.insert("jti".to_owned(), write_tokens(&self.tokens));
        claims.insert("nbf".to_owned(), write_marks(&self.marks));
        sign(key, key_id, SNAPSHOT_JWT_TYPE, claims)
    }

    /// Reads a snapshot that one of `keys` has signed.
    ///
    /// # Errors
    /// [`FeedError`].
    pub fn open(text: &str, keys: &FeedKeys) -> Result<Self, FeedError> {
        let claims = open(text, keys, SNAPSHOT_JWT_TYPE, MAX_SNAPSHOT_BYTES)?;
        Self::read(&claims).ok_or(FeedError::Malformed)
    }

    fn read(claims: &Map<String, Value>) -> Option<Self> {
        let (authorization_server, as_of, position) = read_position(claims)?;
        let lists = claims.get("lists")?.as_object()?.iter();
        Some(Self {
            authorization_server,
            as_of,
            position,
            head: ChainDigest::parse(claims.get("head")?.as_str()?)?,
            lists: lists.map(|(id, list)| Some((id.clone(), SnapshotList::read(list)?))).collect::<Option<_>>()?,
            tokens: read_tokens(claims.get("jti")?)?,
            marks: read_marks(claims.get("nbf")?)?,
        })
    }
}

impl SnapshotList {
    fn to_value(&self) -> Value {
        json!([self.expires_at.as_seconds(), self.list.to_lst()])
    }

    fn read(value: &Value) -> Option<Self> {
        let [expires_at, lst] = value.as_array()?.as_slice() else { return None };
        let expires_at = Timestamp::from_seconds(expires_at.as_i64()?);
        Some(Self { expires_at, list: StatusList::from_lst(1, lst.as_str()?).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{Algorithm, sign_jwt};
    use crate::status::MarkName;

    #[test]
    fn a_snapshot_reads_back() {
        let key = SigningKey::from_pkcs8(Algorithm::EdDSA, &SigningKey::generate(Algorithm::EdDSA).unwrap()).unwrap();
        let keys = FeedKeys::parse(json!({ "keys": [key.public_jwk("k")] }).to_string().as_bytes()).unwrap();
        let mut list = StatusList::new(1 << 20);
        (0..200_000).for_each(|place| assert!(list.revoke(place * 5)));
        let snapshot = Snapshot {
            authorization_server: "default".to_owned(),
            as_of: Timestamp::from_millis(1_234_567),
            position: Position { epoch: 7, seq: 3 },
            head: ChainDigest::of("x"),
            lists: BTreeMap::from([("3f".to_owned(), SnapshotList { expires_at: Timestamp::from_seconds(99), list })]),
            tokens: vec![RevokedTokenId { token_id: "a".to_owned(), expires_at: Timestamp::from_seconds(5) }],
            marks: vec![Mark { name: MarkName::new("all", "", ""), not_before: Timestamp::from_seconds(5) }],
        };
        let signed = snapshot.sign(&key, "k").unwrap();
        assert_eq!(Snapshot::open(&signed, &keys), Ok(snapshot));
        // A record is not taken for one, nor what misses a member.
        assert_eq!(Snapshot::open(&sign_jwt(&key, "k", "csn-delta+jwt", &json!({})).unwrap(), &keys), Err(FeedError::Type));
        assert_eq!(Snapshot::open(&sign_jwt(&key, "k", SNAPSHOT_JWT_TYPE, &json!({})).unwrap(), &keys), Err(FeedError::Malformed));
    }
}
