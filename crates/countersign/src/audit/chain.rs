//! The hash chain: changing, removing or inserting an event breaks every hash
//! after it.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use countersign_protocol::jose::base64url;

use super::RecordedEvent;

/// What the first hash is made over, so that no other use of SHA-256 gives the same.
const DOMAIN: &str = "countersign audit 1";

/// The hash of an event: SHA-256, base64url.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainHash(Box<str>);

impl ChainHash {
    /// The hash that `event` has after `previous`: over a JSON array of its fields.
    pub fn after(previous: &Self, event: &RecordedEvent) -> Self {
        let fields = serde_json::json!([
            DOMAIN,
            previous.as_str(),
            event.seq,
            event.id.as_str(),
            event.occurred_at.as_millis(),
            event.actor_kind,
            event.actor_id,
            event.request_id,
            event.source_address,
            event.action,
            event.object_kind,
            event.object_id,
            event.organization_id,
            event.details,
        ]);
        Self(base64url::encode(digest(&SHA256, fields.to_string().as_bytes()).as_ref()).into())
    }

    /// A hash that was stored or noted down; empty before the first event.
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The hash as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
