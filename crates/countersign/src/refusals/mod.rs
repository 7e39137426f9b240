//! Why requests were refused: what the answer did not say, kept for whoever asks by the
//! request's id.
//!
//! Refusals are noted in memory and written by a job once a second. How many are noted
//! is bounded (`admission.rs`), so that a flood costs the database no more than a
//! setting says; what is not kept is counted.

mod admission;
mod detail;
mod kept;
mod pending;

pub(crate) use detail::{AuthenticationDetail, Detail, shown};
pub use kept::{RefusalFilter, find, list};
pub use pending::{NewRefusal, RecordedRefusal, Refusals};
