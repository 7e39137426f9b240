//! The status feed: what is revoked, told to verifiers as it happens. Each node follows the
//! change feed of the database and writes a feed of its own for each authorization server
//! that somebody follows there: signed records, numbered and chained (ADR 0033).

mod feed;
mod feeds;
mod followers;
mod keys;
mod pending;
mod run;
mod seats;
mod snapshot;

pub use feed::{Feed, FeedGone, Following, SignedRecord};
pub use feeds::{FeedError, StatusFeeds};
pub(crate) use followers::keep_written;
pub use followers::{NodeFollowers, followers, write_followers};
pub use keys::{FeedKey, StoredFeedKey};
pub(crate) use run::run;
pub use seats::SeatError;
pub use snapshot::snapshot;
