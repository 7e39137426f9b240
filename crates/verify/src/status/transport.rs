//! How a verifier reaches a feed.

use std::pin::Pin;
use std::time::Duration;

use countersign_protocol::status::Position;

use crate::FetchError;

/// What the calls return.
pub(crate) type StatusFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StatusError>> + Send + 'a>>;

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StatusError {
    /// The feed does not continue from the position.
    #[error("the feed does not continue from here")]
    Gone,
    /// The verifier may not follow the feed.
    #[error("the client of this verifier may not follow the feed: it needs `status:read` on the management API ({0})")]
    Forbidden(FetchError),
    /// Anything else.
    #[error("{0}")]
    Failed(FetchError),
}

/// Reaches a feed. Every call ends within a bounded time; a stream may go on for ever.
pub(crate) trait FollowStatus: Send + Sync + 'static {
    /// The JWK Set with the feed's keys.
    fn keys(&self) -> StatusFuture<'_, Vec<u8>>;
    /// A signed snapshot.
    fn snapshot(&self) -> StatusFuture<'_, String>;
    /// The records after a position, as they come.
    fn stream(&self, after: Position) -> StatusFuture<'_, Box<dyn RecordStream>>;
    /// The records after a position; waits for one if there is none.
    fn next(&self, after: Position, wait: Duration) -> StatusFuture<'_, Vec<String>>;
    /// Says that a record is applied, so long after its time.
    fn applied(&self, position: Position, after: Duration) -> StatusFuture<'_, ()>;
    /// The URLs of the status lists.
    fn lists(&self) -> StatusFuture<'_, Vec<String>>;
    /// A status list token.
    fn list<'a>(&'a self, url: &'a str) -> StatusFuture<'a, String>;
}

/// Records as they come.
pub(crate) trait RecordStream: Send {
    /// The next signed record; `None`: the stream has ended.
    fn next(&mut self) -> StatusFuture<'_, Option<String>>;
}
