//! Who changed what: one event per change, in the change's own transaction, each
//! hashed together with the one before it.

mod actor;
mod chain;
mod event;
mod verify;

pub use actor::{Actor, Repeatable};
pub use chain::ChainHash;
pub use event::{AuditEvent, RecordedEvent};
pub(crate) use verify::Recomputation;
pub use verify::{ChainFault, VerifiedChain, verify};
