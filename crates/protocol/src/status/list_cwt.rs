//! Status lists as signed CWTs (Token Status List section 5.2): half the size of JWTs.

use coset::cbor::value::Value;
use coset::{
    Algorithm as CoseAlgorithm, CborSerializable as _, CoseSign1, CoseSign1Builder, HeaderBuilder, Label,
    TaggedCborSerializable as _, iana,
};

use super::list_token::{check_times, check_ttl};
use super::{StatusList, StatusListError, StatusListToken};
use crate::Timestamp;
use crate::jose::{Algorithm, JwkSet};

/// The media type of a status list token as CWT.
pub const STATUS_LIST_CWT_TYPE: &str = "application/statuslist+cwt";
/// The header `type` (RFC 9596).
const TYPE: i64 = 16;
/// CWT claims (RFC 8392 section 3.1, Token Status List section 14.3).
const SUB: i64 = 2;
const EXP: i64 = 4;
const IAT: i64 = 6;
const STATUS_LIST: i64 = 65_533;
const TTL: i64 = 65_534;

/// A status list token as CWT that is not signed yet.
#[derive(Clone, Debug)]
pub struct StatusListCwt(CoseSign1);

impl StatusListCwt {
    /// `list` at the URL `uri`, to be signed by the key `key_id` with `algorithm`.
    ///
    /// # Errors
    /// [`StatusListError::Malformed`] for an algorithm without a number in COSE.
    pub fn new(
        list: &StatusList,
        (uri, aggregation_uri): (&str, &str),
        now: Timestamp,
        (ttl, lifetime): (i64, i64),
        (algorithm, key_id): (Algorithm, &str),
    ) -> Result<Self, StatusListError> {
        let text = |text: &str| Value::Text(text.to_owned());
        let iat = now.as_seconds();
        let list = Value::Map(vec![
            (text("bits"), Value::from(list.bits())),
            (text("lst"), Value::Bytes(list.deflate())),
            (text("aggregation_uri"), text(aggregation_uri)),
        ]);
        let claims = Value::Map(vec![
            (Value::from(SUB), text(uri)),
            (Value::from(IAT), Value::from(iat)),
            (Value::from(EXP), Value::from(iat.saturating_add(lifetime))),
            (Value::from(TTL), Value::from(ttl)),
            (Value::from(STATUS_LIST), list),
        ]);
        let protected = HeaderBuilder::new()
            .algorithm(number_of(algorithm).ok_or(StatusListError::Malformed)?)
            .key_id(key_id.as_bytes().to_vec())
            .value(TYPE, text(STATUS_LIST_CWT_TYPE))
            .build();
        let payload = claims.to_vec().map_err(|_| StatusListError::Malformed)?;
        Ok(Self(CoseSign1Builder::new().protected(protected).payload(payload).build()))
    }

    /// What is signed (RFC 9052 section 4.4).
    pub fn to_be_signed(&self) -> Vec<u8> {
        self.0.tbs_data(&[])
    }

    /// The CWT.
    ///
    /// # Errors
    /// None that is known: writing to memory does not fail.
    pub fn with_signature(mut self, signature: Vec<u8>) -> Result<Vec<u8>, StatusListError> {
        self.0.signature = signature;
        self.0.to_tagged_vec().map_err(|_| StatusListError::Malformed)
    }
}

impl StatusListToken {
    /// Reads a CWT that one of `keys` has signed, as the list at `uri` (section 8.3).
    ///
    /// # Errors
    /// [`StatusListError`]; [`StatusListError::Signature`] also for a key that is not there.
    pub fn open_cwt(bytes: &[u8], keys: &JwkSet, uri: &str, now: Timestamp) -> Result<Self, StatusListError> {
        let sign1 = CoseSign1::from_tagged_slice(bytes).map_err(|_| StatusListError::Malformed)?;
        let header = &sign1.protected.header;
        let typ = header.rest.iter().find(|(label, _)| *label == Label::Int(TYPE)).and_then(|(_, value)| value.as_text());
        // What must be understood is not.
        if typ != Some(STATUS_LIST_CWT_TYPE) || !header.crit.is_empty() {
            return Err(StatusListError::Malformed);
        }
        let key_id = std::str::from_utf8(&header.key_id).map_err(|_| StatusListError::Malformed)?;
        let key = keys.find(Some(key_id)).ok_or(StatusListError::Signature)?;
        let is_of_key = number_of(key.algorithm()).is_some_and(|number| header.alg == Some(CoseAlgorithm::Assigned(number)));
        if !is_of_key || !key.verifies(&sign1.tbs_data(&[]), &sign1.signature) {
            return Err(StatusListError::Signature);
        }
        Self::from_cwt_claims(sign1.payload.as_deref().unwrap_or_default(), uri, now)
    }

    fn from_cwt_claims(payload: &[u8], uri: &str, now: Timestamp) -> Result<Self, StatusListError> {
        let claims = Value::from_slice(payload).map_err(|_| StatusListError::Malformed)?;
        let claims = claims.as_map().ok_or(StatusListError::Malformed)?;
        let seconds = |key: i64, name| match find(claims, &Value::from(key))? {
            None => Ok(None),
            Some(value) => {
                let number = value.as_integer().and_then(|number| i64::try_from(number).ok()).filter(|number| *number >= 0);
                number.map(Some).ok_or(StatusListError::Claim(name))
            }
        };
        let sub = find(claims, &Value::from(SUB))?.and_then(Value::as_text).ok_or(StatusListError::Claim("sub"))?;
        if sub != uri {
            return Err(StatusListError::OtherList);
        }
        let issued_at = Timestamp::from_seconds(seconds(IAT, "iat")?.ok_or(StatusListError::Claim("iat"))?);
        let (expires_at, ttl_seconds) = (seconds(EXP, "exp")?.map(Timestamp::from_seconds), seconds(TTL, "ttl")?);
        check_times(issued_at, expires_at, now)?;
        let list = find(claims, &Value::from(STATUS_LIST))?.and_then(Value::as_map);
        let list = read_list(list.ok_or(StatusListError::Claim("status_list"))?)?;
        check_ttl(ttl_seconds)?;
        Ok(Self { issued_at, expires_at, ttl_seconds, list })
    }
}

fn read_list(list: &[(Value, Value)]) -> Result<StatusList, StatusListError> {
    let member = |name: &str| find(list, &Value::Text(name.to_owned()));
    let bits = member("bits")?.and_then(Value::as_integer).and_then(|bits| u8::try_from(bits).ok());
    let lst = member("lst")?.and_then(Value::as_bytes).ok_or(StatusListError::Claim("status_list"))?;
    StatusList::inflate(bits.ok_or(StatusListError::Bits)?, lst)
}

/// The value under a key that is there at most once.
fn find<'a>(map: &'a [(Value, Value)], key: &Value) -> Result<Option<&'a Value>, StatusListError> {
    let mut found = map.iter().filter(|(own, _)| own == key);
    let first = found.next().map(|(_, value)| value);
    if found.next().is_some() { Err(StatusListError::Malformed) } else { Ok(first) }
}

/// The number of an algorithm (RFC 9053 section 2, RFC 8812 section 2).
const fn number_of(algorithm: Algorithm) -> Option<iana::Algorithm> {
    Some(match algorithm {
        Algorithm::ES256 => iana::Algorithm::ES256,
        Algorithm::ES384 => iana::Algorithm::ES384,
        Algorithm::ES512 => iana::Algorithm::ES512,
        Algorithm::EdDSA => iana::Algorithm::EdDSA,
        Algorithm::PS256 => iana::Algorithm::PS256,
        Algorithm::PS384 => iana::Algorithm::PS384,
        Algorithm::PS512 => iana::Algorithm::PS512,
        Algorithm::RS256 => iana::Algorithm::RS256,
        Algorithm::RS384 => iana::Algorithm::RS384,
        Algorithm::RS512 => iana::Algorithm::RS512,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::TokenStatus;
    use super::*;
    use crate::jose::SigningKey;

    const URI: &str = "https://a.test/status/3f";
    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn key(algorithm: Algorithm) -> (SigningKey, JwkSet) {
        let key = SigningKey::from_pkcs8(algorithm, &SigningKey::generate(algorithm).unwrap()).unwrap();
        let keys = JwkSet::parse(json!({ "keys": [key.public_jwk("k")] }).to_string().as_bytes()).unwrap();
        (key, keys)
    }

    fn signed(key: &SigningKey) -> Vec<u8> {
        let mut list = StatusList::new(64);
        list.revoke(9);
        let cwt = StatusListCwt::new(&list, (URI, "https://a.test/status"), NOW, (60, 900), (key.algorithm(), "k")).unwrap();
        let signature = key.sign(&cwt.to_be_signed()).unwrap();
        cwt.with_signature(signature).unwrap()
    }

    #[test]
    fn a_cwt_of_each_algorithm_reads_back() {
        for algorithm in [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA] {
            let (key, keys) = key(algorithm);
            let bytes = signed(&key);
            // Tag 18, an array of four.
            assert_eq!(&bytes[..2], [0xd2, 0x84]);
            let token = StatusListToken::open_cwt(&bytes, &keys, URI, NOW).unwrap();
            assert_eq!((token.ttl_seconds, token.expires_at), (Some(60), Some(NOW.plus_seconds(900))));
            assert_eq!(token.list.status(9), Some(TokenStatus::Invalid));
            assert_eq!(StatusListToken::open_cwt(&bytes, &keys, "https://a.test", NOW), Err(StatusListError::OtherList));
            assert_eq!(StatusListToken::open_cwt(&bytes, &keys, URI, NOW.plus_seconds(900)), Err(StatusListError::Expired));
        }
    }

    #[test]
    fn nothing_but_what_the_key_signed_is_read() {
        let (key, keys) = key(Algorithm::EdDSA);
        let bytes = signed(&key);
        for length in 0..bytes.len() {
            assert!(StatusListToken::open_cwt(&bytes[..length], &keys, URI, NOW).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(StatusListToken::open_cwt(&flipped, &keys, URI, NOW).is_err(), "{at}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(StatusListToken::open_cwt(&longer, &keys, URI, NOW), Err(StatusListError::Malformed));
        let (_, others) = self::key(Algorithm::EdDSA);
        assert_eq!(StatusListToken::open_cwt(&bytes, &others, URI, NOW), Err(StatusListError::Signature));
        let (_, of_other_type) = self::key(Algorithm::ES256);
        assert_eq!(StatusListToken::open_cwt(&bytes, &of_other_type, URI, NOW), Err(StatusListError::Signature));
    }

    #[test]
    fn another_type_a_critical_header_and_a_claim_that_is_there_twice_are_refused() {
        let (key, keys) = key(Algorithm::EdDSA);
        let resigned = |change: &dyn Fn(&mut CoseSign1)| {
            let mut sign1 = CoseSign1::from_tagged_slice(&signed(&key)).unwrap();
            sign1.protected.original_data = None;
            change(&mut sign1);
            sign1.signature = key.sign(&sign1.tbs_data(&[])).unwrap();
            StatusListToken::open_cwt(&sign1.to_tagged_vec().unwrap(), &keys, URI, NOW)
        };
        assert!(resigned(&|_| {}).is_ok());
        let malformed = Err(StatusListError::Malformed);
        assert_eq!(resigned(&|sign1| sign1.protected.header.rest.clear()), malformed);
        let crit = coset::RegisteredLabelWithPrivate::Assigned(iana::HeaderParameter::Alg);
        assert_eq!(resigned(&|sign1| sign1.protected.header.crit.push(crit.clone())), malformed);
        let twice = |sign1: &mut CoseSign1| {
            let mut claims = Value::from_slice(sign1.payload.as_deref().unwrap()).unwrap();
            claims.as_map_mut().unwrap().push((Value::from(SUB), Value::Text("https://b.test".to_owned())));
            sign1.payload = Some(claims.to_vec().unwrap());
        };
        assert_eq!(resigned(&twice), malformed);
    }
}
