//! Times in JSON: RFC 3339, UTC, milliseconds.

use countersign_protocol::Timestamp;

/// Reads a time with any offset.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    crate::log::parse_rfc3339(text)
}

/// The text of a time.
pub(super) fn rfc3339(at: Timestamp) -> String {
    crate::log::rfc3339(at)
}
