//! What a client proves who it is with.

use std::sync::Arc;

use countersign_protocol::Timestamp;
use countersign_protocol::jose::RegisteredKeys;

use super::{JwksUri, SecretHash};
use crate::ids::{CredentialId, HashKeyId};

/// A credential of a client.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The `cred` of the tokens it obtains.
    pub id: CredentialId,
    /// For people.
    pub label: String,
    /// What it is.
    pub kind: CredentialKind,
    /// Not accepted before.
    pub not_before: Option<Timestamp>,
    /// Not accepted from this instant on.
    pub expires_at: Option<Timestamp>,
    /// When another took its place; it has a deadline since.
    pub rotated_at: Option<Timestamp>,
    /// Not accepted once set.
    pub revoked_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// By whom, as [`Actor::name`](crate::audit::Actor::name) says it; unknown of the oldest.
    pub created_by: Option<String>,
}

/// The kinds of credentials.
#[derive(Clone, Debug)]
pub enum CredentialKind {
    /// Public keys at a URL of the client's owner.
    JwksUri(JwksUri),
    /// Public keys that were registered.
    Keys(Arc<RegisteredKeys>),
    /// A secret, of which only a keyed hash is known.
    Secret {
        /// Which key the hash was made under.
        hash_key_id: HashKeyId,
        /// HMAC-SHA-256 of the secret.
        hash: SecretHash,
    },
}

impl CredentialKind {
    /// As it is stored and shown: `secret`, `jwks` or `jwks_uri`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::JwksUri(_) => "jwks_uri",
            Self::Keys(_) => "jwks",
            Self::Secret { .. } => "secret",
        }
    }
}

impl Credential {
    /// Whether it is accepted at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.not_before.is_none_or(|start| start <= now) && self.expires_at.is_none_or(|end| now < end)
    }
}
