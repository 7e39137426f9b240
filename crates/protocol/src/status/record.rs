//! The records of a feed: signed, numbered, each naming the one before it.

use serde_json::{Map, Value, json};

use super::feed_jws::{open, sign};
use super::{ChainDigest, Contents, FeedError, FeedKeys, Position};
use crate::Timestamp;
use crate::jose::{MAX_TOKEN_BYTES, SigningKey, SigningKeyError};

/// The `typ` of a record.
pub const RECORD_JWT_TYPE: &str = "csn-delta+jwt";

/// A record: news, or a heartbeat where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// `as`: whose feed it is.
    pub authorization_server: String,
    /// `iat`, in seconds, and `ms` beyond it: everything that was revoked until then, as
    /// far as the node has heard, is in the feed up to this record.
    pub as_of: Timestamp,
    /// `epoch` and `seq`.
    pub position: Position,
    /// `prev`: the record with the number before.
    pub previous: ChainDigest,
    /// The news.
    pub contents: Contents,
}

impl Record {
    /// The record as a signed JWT.
    ///
    /// # Errors
    /// [`SigningKeyError`].
    pub fn sign(&self, key: &SigningKey, key_id: &str) -> Result<String, SigningKeyError> {
        let mut claims = position_claims(&self.authorization_server, self.as_of, self.position);
        claims.insert("prev".to_owned(), json!(self.previous.to_text()));
        self.contents.write(&mut claims);
        sign(key, key_id, RECORD_JWT_TYPE, claims)
    }

    /// Reads a record that one of `keys` has signed.
    ///
    /// # Errors
    /// [`FeedError`].
    pub fn open(text: &str, keys: &FeedKeys) -> Result<Self, FeedError> {
        let claims = open(text, keys, RECORD_JWT_TYPE, MAX_TOKEN_BYTES)?;
        Self::read(&claims).ok_or(FeedError::Malformed)
    }

    fn read(claims: &Map<String, Value>) -> Option<Self> {
        let (authorization_server, as_of, position) = read_position(claims)?;
        let previous = ChainDigest::parse(claims.get("prev")?.as_str()?)?;
        Some(Self { authorization_server, as_of, position, previous, contents: Contents::read(claims)? })
    }

    /// Whether this is the record after the one at `position` with this digest. If not,
    /// something is missing between them, or one of them is not of this feed.
    pub fn follows(&self, position: Position, digest: ChainDigest) -> bool {
        let is_next = self.position.epoch == position.epoch && Some(self.position.seq) == position.seq.checked_add(1);
        is_next && self.previous == digest
    }
}

pub(super) fn position_claims(authorization_server: &str, as_of: Timestamp, position: Position) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("as".to_owned(), json!(authorization_server));
    claims.insert("iat".to_owned(), json!(as_of.as_seconds()));
    claims.insert("ms".to_owned(), json!(as_of.as_millis().rem_euclid(1000)));
    claims.insert("epoch".to_owned(), json!(position.epoch));
    claims.insert("seq".to_owned(), json!(position.seq));
    claims
}

pub(super) fn read_position(claims: &Map<String, Value>) -> Option<(String, Timestamp, Position)> {
    let number = |name: &str| claims.get(name)?.as_u64();
    let seconds = claims.get("iat")?.as_i64()?;
    let millis = i64::try_from(number("ms")?).ok().filter(|millis| *millis < 1000)?;
    let position = Position { epoch: number("epoch")?, seq: number("seq")? };
    let as_of = Timestamp::from_seconds(seconds).plus_millis(millis);
    Some((claims.get("as")?.as_str()?.to_owned(), as_of, position))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::jose::{Algorithm, JwsError, UnverifiedJws, sign_jwt};
    use crate::status::{Mark, MarkName, RevokedTokenId};

    fn key() -> SigningKey {
        SigningKey::from_pkcs8(Algorithm::EdDSA, &SigningKey::generate(Algorithm::EdDSA).unwrap()).unwrap()
    }

    fn keys(key: &SigningKey) -> FeedKeys {
        FeedKeys::parse(json!({ "keys": [key.public_jwk("k")] }).to_string().as_bytes()).unwrap()
    }

    fn record() -> Record {
        Record {
            authorization_server: "default".to_owned(),
            as_of: Timestamp::from_millis(1_795_234_567_891),
            position: Position { epoch: u64::MAX, seq: 88_123 },
            previous: ChainDigest::of("before"),
            contents: Contents {
                revoked: BTreeMap::from([("3f".to_owned(), vec![721_425, 0])]),
                tokens: vec![RevokedTokenId { token_id: "a".to_owned(), expires_at: Timestamp::from_seconds(9) }],
                marks: vec![Mark { name: MarkName::new("sub", "", "u 42"), not_before: Timestamp::from_seconds(7) }],
                are_keys_changed: true,
                api_keys: vec!["key_9x".to_owned()],
            },
        }
    }

    #[test]
    fn a_record_reads_back_and_a_heartbeat_is_short() {
        let key = key();
        let signed = record().sign(&key, "k").unwrap();
        assert_eq!(Record::open(&signed, &keys(&key)).unwrap(), record());
        let heartbeat = Record { contents: Contents::default(), ..record() }.sign(&key, "k").unwrap();
        assert!(Record::open(&heartbeat, &keys(&key)).unwrap().contents.is_empty());
        assert!(heartbeat.len() < 400, "{}", heartbeat.len());
    }

    #[test]
    fn only_a_record_that_the_feed_signed_is_one() {
        let (key, other) = (key(), key());
        let signed = record().sign(&key, "k").unwrap();
        assert!(matches!(Record::open(&signed, &keys(&other)), Err(FeedError::Jws(JwsError::BadSignature))));
        let (start, end) = signed.split_at(signed.len() / 2);
        let flipped = format!("{start}{}", end.replacen(|c: char| c != 'A', "A", 1));
        assert!(Record::open(&flipped, &keys(&key)).is_err());
        assert_eq!(Record::open(&record().sign(&key, "x").unwrap(), &keys(&key)), Err(FeedError::UnknownKey));
        assert_eq!(Record::open(&sign_jwt(&key, "k", "at+jwt", &json!({})).unwrap(), &keys(&key)), Err(FeedError::Type));
        let empty = sign_jwt(&key, "k", RECORD_JWT_TYPE, &json!({})).unwrap();
        assert_eq!(Record::open(&empty, &keys(&key)), Err(FeedError::Malformed));
        assert_eq!(Record::open("x", &keys(&key)), Err(FeedError::Jws(JwsError::NotCompact)));
    }

    #[test]
    fn members_of_another_type_are_refused() {
        let key = key();
        let good: Value = serde_json::from_slice(
            &UnverifiedJws::parse(&record().sign(&key, "k").unwrap()).unwrap().unverified_payload().unwrap(),
        )
        .unwrap();
        for (name, bad) in [
            ("set", json!([])),
            ("set", json!({ "3f": [-1] })),
            ("jti", json!([["a"]])),
            ("nbf", json!([["client", "a"]])),
            ("apikey", json!([5])),
            ("seq", json!("1")),
            ("ms", json!(1000)),
            ("prev", json!("AA")),
        ] {
            let mut claims = good.clone();
            claims[name] = bad;
            let signed = sign_jwt(&key, "k", RECORD_JWT_TYPE, &claims).unwrap();
            assert_eq!(Record::open(&signed, &keys(&key)), Err(FeedError::Malformed), "{name}");
        }
    }

    #[test]
    fn a_record_follows_the_one_before_it_alone() {
        let record = record();
        let (before, digest) = (Position { seq: 88_122, ..record.position }, ChainDigest::of("before"));
        assert!(record.follows(before, digest));
        assert!(!record.follows(Position { seq: 88_121, ..before }, digest));
        assert!(!record.follows(record.position, digest));
        assert!(!record.follows(Position { epoch: 1, ..before }, digest));
        assert!(!record.follows(before, ChainDigest::of("another")));
        assert!(!record.follows(Position { seq: u64::MAX, ..before }, digest));
    }
}
