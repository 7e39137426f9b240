//! Reading the snapshot from the store.

use std::collections::HashMap;
use std::sync::Arc;

use countersign_protocol::ClientId;
use countersign_protocol::jose::SigningKeyError;

use super::{Catalog, LoadedAuthorizationServer, MountsByPath, ResolvedMount, SecretHashers};
use crate::api_keys::roles::Role;
use crate::api_keys::{ImportKey, ImportKeys, ImportSecret, Imports};
use crate::authorization_servers::{AuthorizationServer, Mount};
use crate::clients::SecretHasher;
use crate::config::BaseUrl;
use crate::ids::{AuthorizationServerId, HashKeyId, ResourceServerId, SigningKeyId};
use crate::resource_servers::ResourceServer;
use crate::sealing::{MasterKey, SealingError};
use crate::signing_keys::{KeyRing, Signer, Signers, SigningKeyState, StoredSigningKey};
use crate::store::{Store, StoreError};
use crate::token_keys::{StoredTokenKey, TokenKeys};

/// Why the snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A key does not open with this master key.
    #[error("the key {id} cannot be opened")]
    Sealing {
        /// The key.
        id: String,
        /// Why.
        source: SealingError,
    },
    /// An opened signing key cannot be parsed.
    #[error("the signing key {id} cannot be parsed")]
    SigningKey {
        /// The key.
        id: SigningKeyId,
        /// Why.
        source: SigningKeyError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CatalogError {
    /// Whether it is about a row that stays as it is: trying again does not help.
    pub const fn is_lasting(&self) -> bool {
        !matches!(self, Self::Store(StoreError::Unavailable(_) | StoreError::Internal(_)))
    }
}

struct Rows {
    servers: Vec<AuthorizationServer>,
    mounts: Vec<Mount>,
    resource_servers: Vec<ResourceServer>,
    signing_keys: Vec<StoredSigningKey>,
    hash_keys: Vec<(HashKeyId, String)>,
    token_keys: Vec<StoredTokenKey>,
    introspection_clients: Vec<(ClientId, ResourceServerId)>,
    roles: Vec<Role>,
    import_keys: Vec<(ImportKey, String)>,
    import_forms: Vec<String>,
}

/// The keys of each authorization server, with their states.
type KeysOfServers = HashMap<AuthorizationServerId, Vec<(SigningKeyState, Arc<dyn Signer>)>>;
type LoadedServers = HashMap<AuthorizationServerId, Arc<LoadedAuthorizationServer>>;
type OpenedKeys = HashMap<SigningKeyId, Arc<dyn Signer>>;

/// Reads the snapshot. Signing keys that `opened` holds are taken from there: opening
/// and parsing an RSA key costs more than everything else together. So are token keys
/// that `before` holds. Mounts are resolved below `bases`.
///
/// # Errors
/// [`CatalogError`]; nothing is changed then.
pub async fn load(
    store: &Store,
    master_key: &MasterKey,
    signers: &dyn Signers,
    opened: &mut OpenedKeys,
    before: &TokenKeys,
    bases: &[BaseUrl],
) -> Result<Catalog, CatalogError> {
    let rows = store.read(|session| {
        Box::pin(async move {
            Ok::<_, StoreError>(Rows {
                servers: session.authorization_servers().await?,
                mounts: session.mounts().await?,
                resource_servers: session.resource_servers().await?,
                signing_keys: session.signing_keys().await?,
                hash_keys: session.hash_keys().await?,
                token_keys: session.token_keys().await?,
                introspection_clients: session.introspection_clients().await?,
                roles: session.roles().await?,
                import_keys: session.import_keys().await?,
                import_forms: session.import_forms().await?,
            })
        })
    });
    let rows = rows.await?;
    let token_keys = TokenKeys::open(&rows.token_keys, master_key, before);
    let token_keys = token_keys.map_err(|(id, source)| CatalogError::Sealing { id: id.to_string(), source })?;
    assemble(rows, master_key, signers, opened, token_keys, bases)
}

fn assemble(
    rows: Rows,
    master_key: &MasterKey,
    signers: &dyn Signers,
    opened: &mut OpenedKeys,
    token_keys: TokenKeys,
    bases: &[BaseUrl],
) -> Result<Catalog, CatalogError> {
    let token_keys = Arc::new(token_keys);
    let mut keys = KeysOfServers::new();
    let mut kept = OpenedKeys::new();
    for stored in &rows.signing_keys {
        let key = opened.get(&stored.id).map_or_else(|| open(stored, master_key, signers), |key| Ok(Arc::clone(key)))?;
        kept.insert(stored.id.clone(), Arc::clone(&key));
        keys.entry(stored.authorization_server_id.clone()).or_default().push((stored.state, key));
    }
    *opened = kept;

    let resource_servers: Vec<Arc<ResourceServer>> = rows.resource_servers.into_iter().map(Arc::new).collect();
    let servers: HashMap<_, _> = rows
        .servers
        .into_iter()
        .map(|server| {
            let own = || resource_servers.iter().filter(|resource_server| resource_server.authorization_server_id == server.id);
            let own_by_id: HashMap<_, _> =
                own().map(|resource_server| (resource_server.id.clone(), Arc::clone(resource_server))).collect();
            let loaded = LoadedAuthorizationServer {
                keys: KeyRing::new(keys.remove(&server.id).unwrap_or_default()),
                token_keys: Arc::clone(&token_keys),
                by_audience: own()
                    .map(|resource_server| (resource_server.audience.as_str().to_owned(), Arc::clone(resource_server)))
                    .collect(),
                introspection_clients: rows
                    .introspection_clients
                    .iter()
                    .filter(|(_, resource_server)| own_by_id.contains_key(resource_server))
                    .cloned()
                    .collect(),
                resource_servers: own_by_id,
                signing_alg: server.signing_alg,
                has_status_lists: server.status_lists_since.is_some(),
                created_at: server.created_at,
                id: server.id.clone(),
            };
            (server.id, Arc::new(loaded))
        })
        .collect();
    Ok(Catalog {
        mounts: resolve_mounts(rows.mounts, &servers, bases),
        roles: rows.roles.into_iter().map(|role| (role.name, role.permissions)).collect(),
        hashers: open_hashers(rows.hash_keys, master_key)?,
        imports: open_imports(rows.import_keys, &rows.import_forms, master_key)?,
        resource_servers: resource_servers
            .into_iter()
            .map(|resource_server| (resource_server.id.clone(), resource_server))
            .collect(),
        token_keys: Arc::clone(&token_keys),
        servers,
    })
}

/// Each mount below each base URL that it has. One bound to a base wins over one for all.
fn resolve_mounts(mut mounts: Vec<Mount>, servers: &LoadedServers, bases: &[BaseUrl]) -> MountsByPath {
    mounts.sort_by_key(|mount| mount.base_url.is_none());
    let mut resolved = MountsByPath::new();
    for mount in mounts {
        let Some(server) = servers.get(&mount.authorization_server_id) else { continue };
        let is_below = |base: &&BaseUrl| mount.base_url.as_deref().is_none_or(|bound| bound == base.as_str());
        for base in bases.iter().filter(is_below) {
            let new = ResolvedMount::new(base, &mount.path, Arc::clone(server), mount.default_audience.clone());
            resolved.entry(mount.path.clone()).or_default().extend(new.map(Arc::new));
        }
    }
    resolved
}

fn open(stored: &StoredSigningKey, master_key: &MasterKey, signers: &dyn Signers) -> Result<Arc<dyn Signer>, CatalogError> {
    let pkcs8 = master_key
        .open(stored.id.as_str(), &stored.sealed_private_key)
        .map_err(|source| CatalogError::Sealing { id: stored.id.to_string(), source })?;
    signers.open(&stored.id, stored.algorithm, &pkcs8).map_err(|source| CatalogError::SigningKey { id: stored.id.clone(), source })
}

fn open_imports(sealed: Vec<(ImportKey, String)>, forms: &[String], master_key: &MasterKey) -> Result<Imports, CatalogError> {
    let open = |(key, sealed): (ImportKey, String)| {
        let opened = master_key.open(key.id.as_str(), &sealed);
        let opened = opened.map_err(|source| CatalogError::Sealing { id: key.id.to_string(), source })?;
        Ok((key.id, ImportSecret::new(&opened)))
    };
    let keys: Vec<_> = sealed.into_iter().map(open).collect::<Result<_, CatalogError>>()?;
    Ok(Imports::new(Arc::new(ImportKeys::new(keys)), forms))
}

fn open_hashers(sealed: Vec<(HashKeyId, String)>, master_key: &MasterKey) -> Result<SecretHashers, CatalogError> {
    let open = |(id, sealed): (HashKeyId, String)| {
        let key = master_key.open(id.as_str(), &sealed).map_err(|source| CatalogError::Sealing { id: id.to_string(), source })?;
        Ok(SecretHasher::new(id, &key))
    };
    Ok(SecretHashers { newest_last: sealed.into_iter().map(open).collect::<Result<_, CatalogError>>()? })
}
