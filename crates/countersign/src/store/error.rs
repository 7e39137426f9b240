//! Why the store did not do what it was asked to do.

use std::sync::Arc;

/// A failure of the store. Only [`StoreError::UniqueViolation`] and
/// [`StoreError::ReferenceGone`] are about the data sent.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A stored value contradicts the schema's meaning.
    #[error("the stored value in {table}.{column} of `{id}` is corrupt")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row.
        id: String,
    },
    /// A bug: a statement or a closure broke the store's rules.
    #[error("the store failed")]
    Internal(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The database was written by a newer version of Countersign.
    #[error("the database has schema version {found}, this binary knows up to {known}: use a newer binary")]
    NewerSchema {
        /// The version in the database.
        found: i64,
        /// The newest version this binary knows.
        known: i64,
    },
    /// The change is committed; the node that made it goes on without it until it can
    /// read it.
    #[error("the change is made, but this node does not follow it yet")]
    NotApplied(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// A row that another refers to was deleted at the same moment.
    #[error("a row that was referred to is gone")]
    ReferenceGone,
    /// Another transaction carried out the request with this idempotency key.
    #[error("a request with this idempotency key was carried out")]
    Repeated,
    /// The database cannot be reached, is locked, full, or too slow.
    #[error("the database is not available")]
    Unavailable(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// A row with this identity exists.
    #[error("a row with this identity exists")]
    UniqueViolation,
}

impl StoreError {
    pub(crate) fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(Arc::from(source.into()))
    }

    /// Whoever was to spend credits is gone.
    pub(crate) fn spend_lost() -> Self {
        Self::internal("a spend was lost")
    }

    /// A time that no calendar has.
    pub(crate) fn no_such_time() -> Self {
        Self::internal("the time is in no calendar")
    }

    /// A committed change that could not be taken up.
    pub(crate) fn not_applied(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::NotApplied(Arc::from(source.into()))
    }

    /// The database did not answer in time.
    pub(crate) fn timed_out(elapsed: tokio::time::error::Elapsed) -> Self {
        Self::unavailable(elapsed)
    }

    pub(super) fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(Arc::from(source.into()))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error().map(|failure| (failure.code, failure.extended_code)) {
            Some((
                ErrorCode::ConstraintViolation,
                rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
            )) => Self::UniqueViolation,
            Some((ErrorCode::ConstraintViolation, rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY)) => Self::ReferenceGone,
            Some((
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::NotADatabase,
                _,
            )) => Self::unavailable(error),
            _ => Self::internal(error),
        }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        use tokio_postgres::error::SqlState;
        let Some(state) = error.code() else {
            // No SQLSTATE: the connection failed, or a value had the wrong type.
            return if error.is_closed()
                || std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
            {
                Self::unavailable(error)
            } else {
                Self::internal(error)
            };
        };
        if *state == SqlState::UNIQUE_VIOLATION {
            return Self::UniqueViolation;
        }
        if *state == SqlState::FOREIGN_KEY_VIOLATION {
            return Self::ReferenceGone;
        }
        // Class 08 connection, 53 resources, 57 operator intervention, 40 rollback, 25006 read-only, 28 authentication.
        let unavailable =
            ["08", "53", "57", "40", "28"].iter().any(|class| state.code().starts_with(class)) || state.code() == "25006";
        if unavailable { Self::unavailable(error) } else { Self::internal(error) }
    }
}
