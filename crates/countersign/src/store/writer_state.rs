//! Whether the embedded engine's writer gets its work done, and whether it may go on.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::ffi;

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
        if is_failed_sync(error) && !self.is_broken.swap(true, Ordering::SeqCst) {
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

/// Other errors of the disk, as of a quota, are rolled back and may pass.
fn is_failed_sync(error: &StoreError) -> bool {
    let StoreError::Unavailable(cause) = error else { return false };
    let cause = cause.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error);
    cause.is_some_and(|cause| matches!(cause.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(extended_code: i32) -> WriterState {
        let state = WriterState::default();
        state.commit_failed(&StoreError::unavailable(rusqlite::Error::SqliteFailure(ffi::Error::new(extended_code), None)));
        state
    }

    #[test]
    fn only_after_a_failed_sync_is_nothing_written_any_more() {
        for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC] {
            assert!(after(code).may_write().is_err(), "{code}");
        }
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMSIZE, ffi::SQLITE_BUSY] {
            assert!(after(code).may_write().is_ok(), "{code}");
        }
    }
}
