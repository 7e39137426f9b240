//! What was done.

use countersign_protocol::Timestamp;
use serde_json::Value;

use super::{ChainHash, Repeatable};
use crate::ids::AuditEventId;

/// A change, before it has its place in the chain.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    pub(crate) actor_kind: &'static str,
    pub(crate) actor_id: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) source_address: Option<String>,
    pub(crate) action: &'static str,
    pub(crate) object_kind: &'static str,
    pub(crate) object_id: String,
    pub(crate) organization_id: Option<String>,
    pub(crate) details: serde_json::Map<String, Value>,
    pub(crate) repeatable: Option<Repeatable>,
}

impl AuditEvent {
    /// Adds what changed. Never a secret.
    #[must_use]
    pub fn with_detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Says whose partner's object it is.
    #[must_use]
    pub fn in_organization(self, id: Option<&str>) -> Self {
        Self { organization_id: id.map(str::to_owned), ..self }
    }
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its place in the chain, from 1 without gaps.
    pub seq: i64,
    /// Its id.
    pub id: AuditEventId,
    /// When.
    pub occurred_at: Timestamp,
    /// `client`, `command_line` or `system`.
    pub actor_kind: String,
    /// The `client_id`, or the name of a job.
    pub actor_id: Option<String>,
    /// The request it happened in.
    pub request_id: Option<String>,
    /// Where that request came from.
    pub source_address: Option<String>,
    /// `noun.participle`.
    pub action: String,
    /// What kind of object.
    pub object_kind: String,
    /// Which object.
    pub object_id: String,
    /// Whose partner's object it is.
    pub organization_id: Option<String>,
    /// What changed: a JSON object, as text because the hash covers the text.
    pub details: String,
    /// Covers all of the above and the hash before it.
    pub hash: ChainHash,
}
