//! Reading long lists piece by piece: after the last row seen, never by offset.

use countersign_protocol::Timestamp;

use super::StoreError;
use super::value::Value;

/// Which piece of a list, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The creation time of the last row seen; 0 at the beginning.
    pub after_time: Timestamp,
    /// Its id; empty at the beginning.
    pub after_id: String,
    /// Most rows.
    pub limit: usize,
}

impl Page {
    /// The first `limit` rows.
    pub const fn first(limit: usize) -> Self {
        Self { after_time: Timestamp::from_millis(0), after_id: String::new(), limit }
    }
}

/// The limit as a parameter.
pub(super) fn limit(page: &Page) -> Result<Value, StoreError> {
    Ok(i64::try_from(page.limit).map_err(StoreError::internal)?.into())
}
