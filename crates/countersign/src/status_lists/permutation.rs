//! Which place the n-th token of a list gets: whoever sees tokens does not learn how many
//! there are, or which came after which.

use aws_lc_rs::digest::{SHA256, digest};
use countersign_protocol::jose::base64url;

use crate::entropy::{Entropy, random};

const HALF_BITS: u32 = 10;
const HALF: u16 = 1 << HALF_BITS;
const ROUNDS: u8 = 4;

/// A permutation of the places of a list: a Feistel network over two halves of ten bits.
pub(super) struct Permutation {
    /// The value of each round's function for each half.
    rounds: Vec<Vec<u16>>,
}

impl Permutation {
    /// A key for a new list. It is no secret that protects anything but numbers.
    pub(super) fn new_key(entropy: &dyn Entropy) -> String {
        base64url::encode(&random::<16>(entropy))
    }

    /// The permutation of a list with this key: the same on every node, for ever.
    pub(super) fn new(key: &str) -> Self {
        let value = |round: u8, half: u16| {
            let text = [key.as_bytes(), &[round], &half.to_be_bytes()].concat();
            let bytes = digest(&SHA256, &text);
            let value = bytes.as_ref().iter().take(2).fold(0_u16, |value, byte| value << 8 | u16::from(*byte));
            value % HALF
        };
        Self { rounds: (0..ROUNDS).map(|round| (0..HALF).map(|half| value(round, half)).collect()).collect() }
    }

    /// The place of the token with this number, below 1,048,576.
    pub(super) fn place(&self, number: u32) -> u64 {
        let half = |value: u32| u16::try_from(value % u32::from(HALF)).unwrap_or_default();
        let halves = (half(number >> HALF_BITS), half(number));
        let (left, right) = self
            .rounds
            .iter()
            .fold(halves, |(left, right), round| (right, left ^ round.get(usize::from(right)).copied().unwrap_or_default()));
        u64::from(left) << HALF_BITS | u64::from(right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use crate::status_lists::LIST_ENTRIES;

    #[test]
    fn every_number_has_a_place_of_its_own() {
        let permutation = Permutation::new(&Permutation::new_key(&SystemEntropy));
        let mut taken = vec![false; LIST_ENTRIES as usize];
        for number in 0..LIST_ENTRIES {
            let place = usize::try_from(permutation.place(number)).unwrap();
            assert!(!std::mem::replace(&mut taken[place], true), "{number}");
        }
    }

    #[test]
    fn the_places_of_a_key_never_change() {
        // Were it otherwise, a new version would give places again that tokens have.
        let permutation = Permutation::new("AAAAAAAAAAAAAAAAAAAAAA");
        let places: Vec<u64> = (0..4).map(|number| permutation.place(number)).collect();
        assert_eq!(places, PLACES);
    }

    const PLACES: [u64; 4] = [864_380, 786_647, 842_306, 635_462];
}
