//! Revocation: of single tokens, and by marks of everything that was issued to,
//! for, with or by something before a point in time.

mod mark;
mod marked;
mod marks;
mod memory;
mod tokens;

pub use mark::mark;
pub use marked::{MarkName, Marked, StoredMark, TokenFacts};
pub use marks::Marks;
pub use memory::{IssuedToken, Revocations};
pub use tokens::{RevokedToken, RevokedTokens};
