//! Who makes a change.

use std::net::IpAddr;

use countersign_protocol::{ClientId, Scope};

use super::AuditEvent;
use crate::ids::ApiKeyId;

/// Who makes a change, and in which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    kind: ActorKind,
    request_id: Option<String>,
    source: Option<IpAddr>,
    repeatable: Option<Repeatable>,
    scope: Option<Scope>,
    api_key: Option<ApiKeyId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ActorKind {
    Client(ClientId),
    CommandLine,
    System(&'static str),
}

/// A request that its caller may send again: the effect happens once. It is
/// remembered in the transaction of the effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeatable {
    /// The caller's `client_id`.
    pub caller: ClientId,
    /// The `Idempotency-Key`.
    pub key: String,
    /// SHA-256 of method, path and body, base64url.
    pub request_hash: String,
}

impl Actor {
    /// A client that called the API.
    pub const fn client(id: ClientId, request_id: String, source: Option<IpAddr>) -> Self {
        Self { kind: ActorKind::Client(id), request_id: Some(request_id), source, repeatable: None, scope: None, api_key: None }
    }

    /// Whoever has the database and the master key, and runs a command on them.
    pub const fn command_line() -> Self {
        Self { kind: ActorKind::CommandLine, request_id: None, source: None, repeatable: None, scope: None, api_key: None }
    }

    /// The instance itself: a job, or what it does at its start.
    pub const fn system(what: &'static str) -> Self {
        Self { kind: ActorKind::System(what), request_id: None, source: None, repeatable: None, scope: None, api_key: None }
    }

    /// The same, for a request that may be sent again.
    #[must_use]
    pub fn repeatable(self, repeatable: Option<Repeatable>) -> Self {
        Self { repeatable, ..self }
    }

    /// The same, using no more of its rights than this scope.
    #[must_use]
    pub fn with_scope(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }

    /// The same, by one of its API keys: the rights are the key's, not those of a grant.
    #[must_use]
    pub fn with_api_key(self, id: Option<ApiKeyId>) -> Self {
        Self { api_key: id, ..self }
    }

    /// The API key that it acts by.
    pub(crate) const fn api_key(&self) -> Option<&ApiKeyId> {
        self.api_key.as_ref()
    }

    /// The client that acts, and the scope it acts with; `None`: nobody's rights limit it.
    pub(crate) const fn as_client(&self) -> Option<(&ClientId, Option<&Scope>)> {
        match &self.kind {
            ActorKind::Client(id) => Some((id, self.scope.as_ref())),
            ActorKind::CommandLine | ActorKind::System(_) => None,
        }
    }

    /// What it did to an object. `action` is `noun.participle`, as `client.disabled`.
    pub fn event(&self, action: &'static str, object_kind: &'static str, object_id: &str) -> AuditEvent {
        let event = AuditEvent {
            actor_kind: self.kind_name(),
            actor_id: self.id(),
            request_id: self.request_id.clone(),
            source_address: self.source.map(|address| address.to_string()),
            action,
            object_kind,
            object_id: object_id.to_owned(),
            organization_id: None,
            details: serde_json::Map::new(),
            repeatable: self.repeatable.clone(),
        };
        match &self.api_key {
            Some(id) => event.with_detail("by_api_key", id.as_str()),
            None => event,
        }
    }

    /// The `client_id`, the job's name, or nothing.
    pub fn id(&self) -> Option<String> {
        match &self.kind {
            ActorKind::Client(id) => Some(id.to_string()),
            ActorKind::CommandLine => None,
            ActorKind::System(what) => Some((*what).to_owned()),
        }
    }

    /// The whole of it in one text: `client:ID`, `command_line` or `system:WHAT`.
    pub fn name(&self) -> String {
        self.id().map_or_else(|| self.kind_name().to_owned(), |id| format!("{}:{id}", self.kind_name()))
    }

    const fn kind_name(&self) -> &'static str {
        match &self.kind {
            ActorKind::Client(_) => "client",
            ActorKind::CommandLine => "command_line",
            ActorKind::System(_) => "system",
        }
    }
}
