//! Token status: whether a token that was issued is still good.
//!
//! [`StatusList`] and [`StatusListToken`] are the OAuth Token Status List, for every
//! verifier. [`Record`] and [`Snapshot`] are our own status feed beside it: signed,
//! chained news of what was revoked. [`Marks`] are not-before times, which the server
//! and its verifiers apply by the same function.

mod contents;
mod feed_jws;
mod list;
mod list_cwt;
mod list_token;
mod mark;
mod marks;
mod position;
mod record;
mod reference;
mod snapshot;

pub use contents::{Contents, RevokedTokenId};
pub use feed_jws::{FeedError, FeedKeys};
pub use list::{MAX_LIST_BYTES, StatusList, StatusListError, TokenStatus};
pub use list_cwt::{STATUS_LIST_CWT_TYPE, StatusListCwt};
pub use list_token::{STATUS_LIST_JWT_TYPE, StatusListClaims, StatusListToken};
pub use mark::{Mark, MarkName, TokenFacts, mark_kind};
pub use marks::Marks;
pub use position::{ChainDigest, InvalidPosition, Position};
pub use record::{RECORD_JWT_TYPE, Record};
pub use reference::StatusReference;
pub use snapshot::{MAX_SNAPSHOT_BYTES, SNAPSHOT_JWT_TYPE, Snapshot, SnapshotList};
