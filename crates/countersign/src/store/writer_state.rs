//! Whether the embedded engine's writer gets its work done, and whether it may go on.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::ErrorCode;

use super::StoreError;

/// What the writer knows of its disk.
#[derive(Debug, Default)]
pub(super) struct WriterState {
    /// The last group could not be committed.
    fails: AtomicBool,
    /// A commit failed on its way to the disk.
    is_broken: AtomicBool,
}

/// Why nothing is written any more.
#[derive(Debug, thiserror::Error)]
#[error("the disk failed during a commit: nothing is written until the process is started again")]
struct DiskFailed;

impl WriterState {
    /// What came of a group.
    pub(super) fn committed(&self, outcome: &Result<(), StoreError>) {
        self.fails.store(outcome.is_err(), Ordering::SeqCst);
    }

    /// After a failed sync the kernel may report the next one as done although pages of
    /// the first are lost (it marks them clean): no later commit could be believed.
    pub(super) fn commit_failed(&self, error: &StoreError) {
        if is_input_or_output(error) && !self.is_broken.swap(true, Ordering::SeqCst) {
            tracing::error!(error = %crate::log::chain(error), "{DiskFailed}");
        }
    }

    /// Whether the last group was committed.
    pub(super) fn works(&self) -> bool {
        !self.fails.load(Ordering::SeqCst)
    }

    /// Whether anything may be written still.
    pub(super) fn may_write(&self) -> Result<(), StoreError> {
        if self.is_broken.load(Ordering::SeqCst) { Err(StoreError::unavailable(DiskFailed)) } else { Ok(()) }
    }
}

fn is_input_or_output(error: &StoreError) -> bool {
    let StoreError::Unavailable(cause) = error else { return false };
    let cause = cause.downcast_ref::<rusqlite::Error>();
    cause.and_then(rusqlite::Error::sqlite_error_code) == Some(ErrorCode::SystemIoFailure)
}
