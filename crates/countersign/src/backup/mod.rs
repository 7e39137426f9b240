//! Backups: every row of every table as of one instant, in one file that either
//! engine can be restored from. The file holds hashes and sealed keys, no secret in
//! the clear; without the master key it opens nothing.

mod format;
mod read;
mod restore;
mod write;

pub use format::{BackupError, Header};
pub use read::inspect;
pub use restore::{Exposed, restore};
pub use write::{Written, write};
