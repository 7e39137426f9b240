//! Chance that is the same in every run.

use countersign::entropy::{SeededEntropy, random};

pub(crate) struct Dice(SeededEntropy);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// A number below `sides`.
    pub(crate) fn roll(&self, sides: u8) -> u8 {
        random::<1>(&self.0)[0] % sides
    }
}
