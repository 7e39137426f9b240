//! Status lists: the places that tokens get in them, and the lists as they are published.

mod lease;
mod number;
mod permutation;
mod publish;

use countersign_protocol::Timestamp;

pub use lease::{Place, StatusLists};
pub use number::ListNumber;
pub(crate) use publish::TTL_SECONDS;
pub use publish::{ListError, ListFormat, PublishedList, live_lists, publish};

/// Places of a list.
pub const LIST_ENTRIES: u32 = 1 << 20;
/// Places that a node leases at once.
pub const BLOCK_PLACES: u32 = 4_096;
/// Tokens whose expiries lie in the same span of this many seconds share lists.
const SPAN_SECONDS: i64 = 300;

/// A block of places that is one node's, to give to tokens.
#[derive(Debug)]
pub(crate) struct LeasedBlock {
    pub(crate) number: ListNumber,
    /// The first of [`BLOCK_PLACES`], before they are permuted.
    pub(crate) first: i64,
    pub(crate) permutation_key: String,
}

/// When the last token of the lists for tokens that expire at `expires_at` expires.
pub(crate) fn list_end(expires_at: Timestamp) -> Timestamp {
    let seconds = expires_at.as_seconds();
    let into_span = seconds.rem_euclid(SPAN_SECONDS);
    Timestamp::from_seconds(if into_span == 0 { seconds } else { seconds.saturating_add(SPAN_SECONDS - into_span) })
}

/// Whether this is what a place of ours is called.
pub(crate) fn is_place(list_id: &str, index: u64) -> bool {
    index < u64::from(LIST_ENTRIES) && ListNumber::parse(list_id).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_with_the_span_of_its_tokens() {
        for (expires_at, end) in [(0, 0), (1, 300), (299, 300), (300, 300), (301, 600)] {
            assert_eq!(list_end(Timestamp::from_seconds(expires_at)), Timestamp::from_seconds(end), "{expires_at}");
        }
    }

    #[test]
    fn only_what_we_would_call_a_place_is_one() {
        assert!(is_place("3f", 0) && is_place("1", 1_048_575));
        for (list_id, index) in [("3f", 1_048_576), ("", 0), ("0", 0), ("03", 0), ("3F", 0), ("x", 0), ("ffffffffffffffff", 0)] {
            assert!(!is_place(list_id, index), "{list_id} {index}");
        }
    }
}
