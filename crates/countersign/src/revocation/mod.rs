//! Revocation: of single tokens, and by marks of everything that was issued to,
//! for, with or by something before a point in time.

mod mark;
mod marked;
mod marks;
mod memory;
mod revoke;
mod tokens;

pub use mark::mark;
pub use marked::{MarkName, Marked, StoredMark, TokenFacts};
pub use marks::Marks;
pub use memory::Revocations;
pub use revoke::{
    list_marks, revoke_all, revoke_any_token, revoke_audience, revoke_client, revoke_key, revoke_subject, revoke_token_key,
};
pub(crate) use revoke::{outlast, revoke_token};
pub use tokens::{RevokedToken, RevokedTokens};
