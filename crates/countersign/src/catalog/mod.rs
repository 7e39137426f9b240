//! What rarely changes, in one immutable snapshot behind one atomic load:
//! authorization servers, mounts, resource servers, signing keys, hash keys, roles.

mod load;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use countersign_protocol::jose::Algorithm;
use countersign_protocol::{Audience, ClientId, EndpointPaths, Issuer, Timestamp};

use crate::api_keys::{Imports, Permission};
use crate::clients::SecretHasher;
use crate::config::BaseUrl;
use crate::ids::{AuthorizationServerId, HashKeyId, ResourceServerId};
use crate::resource_servers::ResourceServer;
use crate::signing_keys::KeyRing;
use crate::token_keys::TokenKeys;

pub use load::{CatalogError, load};

/// By path; one for each base URL below which there is one.
type MountsByPath = HashMap<String, Vec<Arc<ResolvedMount>>>;

/// The snapshot.
#[derive(Debug, Default)]
pub struct Catalog {
    servers: HashMap<AuthorizationServerId, Arc<LoadedAuthorizationServer>>,
    resource_servers: HashMap<ResourceServerId, Arc<ResourceServer>>,
    mounts: MountsByPath,
    /// What each role gives.
    roles: HashMap<String, Vec<Permission>>,
    /// Keys under which secrets are hashed.
    pub hashers: SecretHashers,
    /// Keys under which opaque tokens are sealed.
    pub token_keys: Arc<TokenKeys>,
    /// How imported API keys are found.
    pub imports: Imports,
}

/// An authorization server with everything that hangs on it.
#[derive(Debug)]
pub struct LoadedAuthorizationServer {
    /// Its id.
    pub id: AuthorizationServerId,
    /// How tokens are signed unless the resource server says otherwise.
    pub signing_alg: Algorithm,
    /// Whether its JWTs have a place in a status list.
    pub has_status_lists: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its keys.
    pub keys: KeyRing,
    /// The instance's keys for opaque tokens.
    pub token_keys: Arc<TokenKeys>,
    resource_servers: HashMap<ResourceServerId, Arc<ResourceServer>>,
    by_audience: HashMap<String, Arc<ResourceServer>>,
    introspection_clients: HashSet<(ClientId, ResourceServerId)>,
}

impl LoadedAuthorizationServer {
    /// One of its resource servers.
    pub fn find_resource_server(&self, id: &ResourceServerId) -> Option<&Arc<ResourceServer>> {
        self.resource_servers.get(id)
    }

    /// Its resource server with this audience.
    pub fn find_audience(&self, audience: &str) -> Option<&Arc<ResourceServer>> {
        self.by_audience.get(audience)
    }

    /// Whether a client may introspect tokens for one of its resource servers.
    pub fn may_introspect(&self, client: &ClientId, resource_server: &ResourceServerId) -> bool {
        self.introspection_clients.contains(&(client.clone(), resource_server.clone()))
    }
}

/// A mount as one request sees it: below one base, so with one issuer.
#[derive(Clone, Debug)]
pub struct ResolvedMount {
    /// The base URL and the path below it.
    place: (BaseUrl, String),
    /// The `iss` of its tokens.
    pub issuer: Issuer,
    /// The URL of its token endpoint.
    pub token_endpoint: String,
    /// Below which the status of its tokens is told, without a slash at the end.
    pub status_endpoint: Arc<str>,
    /// Whose mount it is.
    pub server: Arc<LoadedAuthorizationServer>,
    /// The audience of requests that name none.
    pub default_audience: Option<Audience>,
}

impl Catalog {
    /// The authorization server with this id.
    pub fn authorization_server(&self, id: &AuthorizationServerId) -> Option<&Arc<LoadedAuthorizationServer>> {
        self.servers.get(id)
    }

    /// The resource server with this id.
    pub fn resource_server(&self, id: &ResourceServerId) -> Option<&Arc<ResourceServer>> {
        self.resource_servers.get(id)
    }

    /// What a role gives.
    pub fn role(&self, name: &str) -> Option<&[Permission]> {
        self.roles.get(name).map(Vec::as_slice)
    }

    /// Every resource server, in no order.
    pub fn resource_servers(&self) -> impl Iterator<Item = &Arc<ResourceServer>> {
        self.resource_servers.values()
    }

    /// Every authorization server, in no order.
    pub fn authorization_servers(&self) -> impl Iterator<Item = &Arc<LoadedAuthorizationServer>> {
        self.servers.values()
    }

    /// Whether an authorization server is as this snapshot has it.
    pub fn holds(&self, server: &Arc<LoadedAuthorizationServer>) -> bool {
        self.servers.get(&server.id).is_some_and(|current| Arc::ptr_eq(current, server))
    }

    /// The mount as it is in this snapshot; `None`: it is gone.
    pub fn refreshed(&self, mount: &ResolvedMount) -> Option<Arc<ResolvedMount>> {
        let (base, path) = &mount.place;
        self.mount(base, path)
    }

    /// The mount at `path` below one of the application's base URLs.
    pub fn mount(&self, base: &BaseUrl, path: &str) -> Option<Arc<ResolvedMount>> {
        self.mounts.get(path)?.iter().find(|mount| mount.place.0 == *base).map(Arc::clone)
    }
}

impl ResolvedMount {
    fn new(base: &BaseUrl, path: &str, server: Arc<LoadedAuthorizationServer>, default_audience: Option<Audience>) -> Option<Self> {
        let issuer = base.issuer(path)?;
        let endpoints = if path == "/" { EndpointPaths::ROOT } else { EndpointPaths::NESTED };
        let token_endpoint = issuer.endpoint(endpoints.token);
        let status_endpoint = format!("{}/oauth2/{}/v1/status", base.as_str(), server.id).into();
        Some(Self { place: (base.clone(), path.to_owned()), issuer, token_endpoint, status_endpoint, server, default_audience })
    }
}

/// Every hash key: old ones still verify, the newest hashes new secrets.
#[derive(Debug, Default)]
pub struct SecretHashers {
    newest_last: Vec<SecretHasher>,
}

impl SecretHashers {
    /// The one for new secrets.
    pub fn active(&self) -> Option<&SecretHasher> {
        self.newest_last.last()
    }

    /// The first that the instance had: it stays the same.
    pub fn oldest(&self) -> Option<&SecretHasher> {
        self.newest_last.first()
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &SecretHasher> {
        self.newest_last.iter()
    }

    /// The one that made an existing hash.
    pub fn find(&self, id: &HashKeyId) -> Option<&SecretHasher> {
        self.newest_last.iter().find(|hasher| hasher.id() == id)
    }
}
