//! Revocation: of single tokens, and by marks of everything that was issued to,
//! for, with or by something before a point in time.

mod mark;
mod marked;
mod marks;
mod memory;
mod places;
mod revoke;
mod tokens;

/// Verifiers may accept a token this long after its `exp`.
pub(crate) const MAX_LEEWAY_SECONDS: i64 = 300;
/// What is revoked outlives its tokens by this much: a clock that was ahead by less, and
/// was set right, has let no revocation be forgotten.
pub(crate) const KEPT_AFTER_EXPIRY_SECONDS: i64 = 86_400;

pub use countersign_protocol::status::{Mark as StoredMark, MarkName, TokenFacts};
pub use mark::mark;
pub use marked::Marked;
pub use marks::Marks;
pub use memory::Revocations;
pub use places::RevokedPlaces;
pub(crate) use revoke::{StandingMarks, outlast, revoke_token};
pub use revoke::{
    list_marks, revoke_all, revoke_any_token, revoke_audience, revoke_client, revoke_key, revoke_subject, revoke_token_key,
};
pub use tokens::{RevokedToken, RevokedTokens};
