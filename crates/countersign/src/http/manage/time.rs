//! Times in JSON: RFC 3339, UTC, milliseconds.

use countersign_protocol::Timestamp;

/// The text of a time.
pub(super) fn rfc3339(at: Timestamp) -> String {
    crate::log::rfc3339(at)
}
