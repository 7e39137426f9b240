//! Clients: who calls, with what credentials, and what they may reach.

mod cache;
mod create;
mod grants;
mod secrets;
mod state;

use countersign_protocol::{ClientAuthMethod, ClientId, Scope, Timestamp};

use crate::ids::{ClientGrantId, CredentialId, HashKeyId, ResourceServerId};

pub use cache::ClientCache;
pub use create::{CreatedClient, NewClient, create};
pub use grants::{NewClientGrant, grant};
pub use secrets::{CreatedSecret, SecretHash, SecretHasher, create_secret, revoke_credential};
pub use state::{disable, enable};

/// A client with everything a token request needs to know of it.
#[derive(Clone, Debug)]
pub struct Client {
    /// The `client_id`.
    pub id: ClientId,
    /// For people.
    pub name: String,
    /// How it said it would authenticate.
    pub auth_method: ClientAuthMethod,
    /// Whether only that method is accepted.
    pub auth_method_enforced: bool,
    /// Set while it is disabled.
    pub disabled_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its secrets, revoked ones included.
    pub credentials: Vec<SecretCredential>,
    /// Its grants.
    pub grants: Vec<ClientGrant>,
}

/// A client secret: only its keyed hash is known.
#[derive(Clone, Debug)]
pub struct SecretCredential {
    /// The `cred` of the tokens it obtains.
    pub id: CredentialId,
    /// For people.
    pub label: String,
    /// Which key the hash was made under.
    pub hash_key_id: HashKeyId,
    /// HMAC-SHA-256 of the secret.
    pub hash: SecretHash,
    /// Not accepted before.
    pub not_before: Option<Timestamp>,
    /// Not accepted from this instant on.
    pub expires_at: Option<Timestamp>,
    /// Not accepted once set.
    pub revoked_at: Option<Timestamp>,
}

impl SecretCredential {
    /// Whether it is accepted at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.not_before.is_none_or(|start| start <= now) && self.expires_at.is_none_or(|end| now < end)
    }
}

/// Leave to ask for tokens for one resource server.
#[derive(Clone, Debug)]
pub struct ClientGrant {
    /// Its id.
    pub id: ClientGrantId,
    /// The resource server.
    pub resource_server_id: ResourceServerId,
    /// The scopes that may be asked for.
    pub scope: Scope,
    /// Overrides the resource server's lifetime, in seconds.
    pub token_lifetime_seconds: Option<i64>,
}
