//! A status list as an issuer serves it: what is read is written again, and nothing is said
//! beyond its end.
#![no_main]

use countersign_protocol::Timestamp;
use countersign_protocol::status::{MAX_LIST_BYTES, StatusList, StatusListToken};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8], &[u8])| {
    let (bits, bytes, payload) = input;
    if let Ok(list) = StatusList::inflate(bits, bytes) {
        assert!(list.as_bytes().len() <= MAX_LIST_BYTES);
    }
    if let Ok(list) = StatusList::from_bytes(bits, bytes.to_vec()) {
        assert_eq!(StatusList::from_lst(bits, &list.to_lst()).as_ref(), Ok(&list));
        assert!((0..list.entries()).all(|index| list.status(index).is_some()));
        assert!(list.status(list.entries()).is_none());
    }
    let now = Timestamp::from_seconds(1_000);
    if let Ok(token) = StatusListToken::parse(payload, "https://a.test/s", now) {
        assert!(token.expires_at.is_none_or(|end| end > now));
    }
});
