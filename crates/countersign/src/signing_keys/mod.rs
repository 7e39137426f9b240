//! Signing keys: one active and one published successor per authorization
//! server and algorithm, private halves sealed by the master key.

mod algorithms;
mod compromised;
mod local;
mod make;
mod plan;
mod pool;
mod ring;
mod rotate;
mod schedule;
mod signer;
mod state;

pub(crate) use algorithms::first_keys;
pub use algorithms::{Added, add_algorithm, hold_active, remove_algorithm};
pub use compromised::{Withdrawn, replace_compromised};
pub use local::LocalSigners;
pub(crate) use make::make_pair;
pub use ring::{KeyRing, KeySetDocument};
pub use rotate::{Rotated, rotate};
pub use schedule::apply_due;
pub use signer::{SignError, Signer, Signers, Signing};
pub use state::{SigningKeyState, StoredSigningKey};

use crate::change::{InvalidField, MAX_TOKEN_LIFETIME_SECONDS};

/// How long a JWK Set may be cached, in seconds.
pub const JWKS_MAX_AGE_SECONDS: i64 = 300;

/// A key that has been published for less long, in seconds, signs nothing: there are
/// key sets in caches without it. Verifiers ask again for an unknown key after 60
/// seconds at most.
pub const MIN_PUBLICATION_SECONDS: i64 = if JWKS_MAX_AGE_SECONDS > 60 { JWKS_MAX_AGE_SECONDS } else { 60 };

/// A rotation by the schedule waits until the successor has been published for this
/// long, in seconds: also verifiers that refresh once a day have it by then.
pub const SCHEDULED_PUBLICATION_SECONDS: i64 = 86_400;

/// What a verifier may tolerate after `exp`, and what a node may need to hear of a
/// rotation, in seconds.
const LEEWAY_SECONDS: i64 = 300;

/// A key that no longer signs stays in the JWK Set for this long, in seconds: until
/// its last token has expired everywhere.
pub const RETIREMENT_SECONDS: i64 = MAX_TOKEN_LIFETIME_SECONDS + JWKS_MAX_AGE_SECONDS + LEEWAY_SECONDS;

/// How long a key signs until its successor takes over, in seconds, unless the
/// authorization server says otherwise: 90 days.
pub const DEFAULT_ROTATION_INTERVAL_SECONDS: i64 = 90 * 86_400;
const MIN_ROTATION_INTERVAL_SECONDS: i64 = SCHEDULED_PUBLICATION_SECONDS;
const MAX_ROTATION_INTERVAL_SECONDS: i64 = 3_650 * 86_400;

/// Checks how long a key is to sign, in seconds: 1 to 3,650 days.
pub(crate) fn check_rotation_interval(seconds: i64) -> Result<i64, InvalidField> {
    if (MIN_ROTATION_INTERVAL_SECONDS..=MAX_ROTATION_INTERVAL_SECONDS).contains(&seconds) {
        return Ok(seconds);
    }
    let accepted = format!("{MIN_ROTATION_INTERVAL_SECONDS} to {MAX_ROTATION_INTERVAL_SECONDS} seconds");
    Err(InvalidField::new("rotation_interval_seconds", seconds, accepted))
}
