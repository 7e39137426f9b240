//! What comparing a salted hash may cost: whoever presents a key makes us spend it.

use std::fmt;

/// Largest cost of bcrypt: about half a second.
const MAX_BCRYPT_COST: u32 = 13;
/// Most memory of one hash, in KiB: 128 MiB.
const MAX_MEMORY_KIB: u64 = 131_072;
/// Most memory that one hash goes through, in KiB: 512 MiB, about half a second.
const MAX_WORK_KIB: u64 = 524_288;
/// Most lanes of Argon2, and the largest `p` of scrypt.
const MAX_PARALLELISM: u64 = 16;

/// What a hash costs beyond what is accepted; its text names the bound.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooCostly(String);

impl fmt::Display for TooCostly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn check_bcrypt(cost: u32) -> Result<(), TooCostly> {
    if (4..=MAX_BCRYPT_COST).contains(&cost) {
        return Ok(());
    }
    Err(TooCostly(format!("a cost of 4 to {MAX_BCRYPT_COST}; this has {cost}")))
}

/// `memory` in KiB; `passes` over it.
pub(super) fn check_argon2(memory: u32, passes: u32, lanes: u32) -> Result<(), TooCostly> {
    check("m", u64::from(memory), u64::from(memory).saturating_mul(u64::from(passes)), u64::from(lanes))
}

/// `log_n`, `r` and `p` of RFC 7914: it fills 128 * r * 2^log_n bytes, p times.
pub(super) fn check_scrypt(log_n: u8, r: u32, p: u32) -> Result<(), TooCostly> {
    let bytes = 1_u64.checked_shl(u32::from(log_n)).and_then(|n| n.checked_mul(128)?.checked_mul(u64::from(r)));
    let memory = bytes.map_or(u64::MAX, |bytes| bytes.div_ceil(1024));
    check("128 r 2^ln", memory, memory.saturating_mul(u64::from(p)), u64::from(p))
}

fn check(name: &str, memory: u64, work: u64, parallelism: u64) -> Result<(), TooCostly> {
    let bound = if memory > MAX_MEMORY_KIB {
        format!("at most {MAX_MEMORY_KIB} KiB of memory ({name}); this takes {memory}")
    } else if work > MAX_WORK_KIB {
        format!("at most {MAX_WORK_KIB} KiB of memory times passes; this takes {work}")
    } else if !(1..=MAX_PARALLELISM).contains(&parallelism) {
        format!("p from 1 to {MAX_PARALLELISM}; this has {parallelism}")
    } else {
        return Ok(());
    };
    Err(TooCostly(bound))
}
