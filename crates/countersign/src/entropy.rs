//! Where randomness comes from.

use std::cell::RefCell;
use std::sync::Mutex;
use std::sync::PoisonError;

use aws_lc_rs::{digest, rand};

/// A source of random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator. What is no longer than an identifier comes from
/// bytes that were drawn ahead: each draw has a fixed cost that is far above that of a
/// few bytes. Keys and secrets are longer, and never lie ready.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() > LONGEST_FROM_POOL {
            return draw(bytes);
        }
        POOL.with_borrow_mut(|pool| pool.fill(bytes));
    }
}

#[expect(clippy::panic, reason = "without randomness no secret may be made; the caller answers 500 and the process goes on")]
fn draw(bytes: &mut [u8]) {
    if rand::fill(bytes).is_err() {
        panic!("the random number generator failed");
    }
}

/// As long as a token id.
const LONGEST_FROM_POOL: usize = 16;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; 1_024], used: 1_024 }) };
}

/// Random bytes that were drawn ahead, each of which is given out once.
struct Pool {
    bytes: [u8; 1_024],
    used: usize,
}

impl Pool {
    fn fill(&mut self, wanted: &mut [u8]) {
        if self.bytes.len() - self.used < wanted.len() {
            draw(&mut self.bytes);
            self.used = 0;
        }
        for (wanted, drawn) in wanted.iter_mut().zip(self.bytes.iter_mut().skip(self.used)) {
            *wanted = std::mem::take(drawn);
        }
        self.used += wanted.len();
    }
}

/// Reproducible bytes for tests: SHA-256 over a seed and a counter.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    counter: Mutex<u64>,
}

impl SeededEntropy {
    /// A generator whose bytes depend on `seed` alone.
    pub const fn new(seed: u64) -> Self {
        Self { seed, counter: Mutex::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(digest::SHA256_OUTPUT_LEN) {
            *counter += 1;
            let block = digest::digest(&digest::SHA256, &[self.seed.to_be_bytes(), counter.to_be_bytes()].concat());
            for (byte, random) in chunk.iter_mut().zip(block.as_ref()) {
                *byte = *random;
            }
        }
    }
}

/// `N` random bytes.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_byte_is_given_out_twice() {
        let drawn: Vec<[u8; 16]> = (0..10_000).map(|_| random(&SystemEntropy)).collect();
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len());
        let shorter: Vec<[u8; 12]> = (0..10_000).map(|_| random(&SystemEntropy)).collect();
        assert_eq!(shorter.iter().collect::<HashSet<_>>().len(), shorter.len());
    }

    #[test]
    fn what_was_given_out_is_gone() {
        let mut pool = Pool { bytes: [0; 1_024], used: 1_024 };
        let mut wanted = [0; 16];
        for round in 1..=64 {
            pool.fill(&mut wanted);
            assert!(pool.bytes.iter().take(16 * round).all(|byte| *byte == 0));
            assert!(wanted.iter().any(|byte| *byte != 0));
        }
    }
}
