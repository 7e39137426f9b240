//! Clients: who calls, with what credentials, and what they may reach.

mod cache;
mod create;
mod credential;
mod credentials;
mod grant_changes;
mod grants;
mod identities;
mod jwks_uri;
mod key_policy;
mod keys;
mod leaked;
mod list;
mod rotate;
mod secrets;
mod state;
mod update;
mod uses;

use countersign_protocol::{ClientAuthMethod, ClientId, Scope, Timestamp};
use serde_json::{Map, Value};

use crate::change::{ChangeError, InvalidField};
use crate::ids::{ClientGrantId, OrganizationId, ResourceServerId};
use crate::resource_servers::ResourceServer;

pub use cache::ClientCache;
pub use create::{CreatedClient, NewClient, create, create_without_credential};
pub(crate) use create::{created_event, insert, make};
pub use credential::{Credential, CredentialKind};
pub use credentials::{
    CredentialChange, CredentialListing, list_credentials, owner_of_credential, revoke_credential, show_credential,
    update_credential,
};
pub use grant_changes::{ClientGrantPatch, delete_grant, update_grant};
pub use grants::{NewClientGrant, grant};
pub use identities::{NewIdentity, create_identity, delete_identity, find_identity, list_identities};
pub use jwks_uri::{ClientKeySets, JwksUri};
pub use key_policy::{KeyPolicy, KeyPolicyPatch};
pub use keys::{KeySource, NewKeys, add_keys, create_with_keys};
pub(crate) use leaked::find_by_secret;
pub use list::{find, list, list_grants};
pub use rotate::{DEFAULT_OVERLAP_SECONDS, MAX_OVERLAP_SECONDS, RotatedSecret, Rotation, rotate_secret};
pub use secrets::{CreatedSecret, NewSecret, SECRET_PREFIX, SecretHash, SecretHasher, create_secret};
pub use state::{disable, enable};
pub use update::{ClientPatch, delete, update};
pub use uses::{CredentialUse, CredentialUses};

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
    /// What `aud` of its assertions may be.
    pub assertion_audience: AssertionAudience,
    /// Set while it is disabled.
    pub disabled_at: Option<Timestamp>,
    /// Whose client it is.
    pub organization_id: Option<OrganizationId>,
    /// What its owner calls it elsewhere.
    pub external_id: Option<String>,
    /// What its owner wants to know of it: a JSON object.
    pub metadata: Map<String, Value>,
    /// What all its API keys are given and bound by.
    pub key_policy: KeyPolicy,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Its credentials, revoked ones included.
    pub credentials: Vec<Credential>,
    /// Its grants.
    pub grants: Vec<ClientGrant>,
}

impl Client {
    /// The id of its organization.
    pub fn owner(&self) -> Option<&str> {
        self.organization_id.as_ref().map(OrganizationId::as_str)
    }

    /// Its grant for a resource server.
    pub fn grant_for(&self, id: &ResourceServerId) -> Option<&ClientGrant> {
        self.grants.iter().find(|grant| grant.resource_server_id == *id)
    }

    /// One of its grants.
    pub(crate) fn find_grant(&self, id: &ClientGrantId) -> Result<&ClientGrant, ChangeError> {
        let found = self.grants.iter().find(|grant| grant.id == *id);
        found.ok_or_else(|| ChangeError::NotFound { kind: "grant", id: id.to_string() })
    }
}

/// A client in a list: its credentials and grants were not read.
#[derive(Clone, Debug)]
pub struct ClientSummary(pub(crate) Client);

impl ClientSummary {
    /// The client; credentials and grants are empty.
    pub const fn client(&self) -> &Client {
        &self.0
    }
}

/// Largest metadata of a client, in bytes of JSON.
const MAX_METADATA_BYTES: usize = 4_096;

pub(crate) fn check_metadata(metadata: &Map<String, Value>) -> Result<(), InvalidField> {
    let length = serde_json::to_string(metadata).map_or(usize::MAX, |text| text.len());
    if length <= MAX_METADATA_BYTES {
        return Ok(());
    }
    Err(InvalidField::new("metadata", format!("{length} bytes of JSON"), format!("at most {MAX_METADATA_BYTES} bytes of JSON")))
}

pub(crate) fn check_external_id(id: &str) -> Result<(), InvalidField> {
    crate::change::check_name("external_id", id)
}

/// What `aud` of the client's assertions may be (RFC 7523 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssertionAudience {
    /// The issuer whose endpoint it is sent to.
    Issuer,
    /// That, or the URL of that issuer's token endpoint, for older libraries.
    TokenEndpoint,
}

impl AssertionAudience {
    /// As it is shown: `issuer` or `token_endpoint`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::TokenEndpoint => "token_endpoint",
        }
    }

    /// The value with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Issuer, Self::TokenEndpoint].into_iter().find(|value| value.as_str() == name)
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
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl ClientGrant {
    /// The lifetime of the tokens it gives, in seconds.
    pub fn lifetime_seconds(&self, resource_server: &ResourceServer) -> i64 {
        self.token_lifetime_seconds.unwrap_or(resource_server.token_lifetime_seconds)
    }
}
