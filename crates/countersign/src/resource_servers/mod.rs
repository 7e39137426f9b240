//! Resource servers: the APIs that tokens are for.

mod introspection;
mod list;
mod update;

use countersign_protocol::jose::Algorithm;
use countersign_protocol::{Audience, ScopeToken, Timestamp};

use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, InvalidField, check_description, check_lifetime, check_name};
use crate::ids::{AuthorizationServerId, ResourceServerId};
use crate::instance::hold_master_key;
use crate::signing_keys::{self, StoredSigningKey};
use crate::store::{ChangeKind, StoreError};

pub use introspection::{allow_introspection, create_introspection_client, forbid_introspection};
pub use list::{find, list};
pub use update::{ResourceServerPatch, delete, delete_with_keys, update};

/// Lifetime of access tokens unless the resource server says otherwise, in seconds.
pub const DEFAULT_TOKEN_LIFETIME_SECONDS: i64 = 600;
/// Most scopes one resource server may define.
const MAX_SCOPES: usize = 200;

/// A resource server.
#[derive(Clone, Debug)]
pub struct ResourceServer {
    /// Its id.
    pub id: ResourceServerId,
    /// The one authorization server that issues its tokens.
    pub authorization_server_id: AuthorizationServerId,
    /// The `aud` of its tokens.
    pub audience: Audience,
    /// For people.
    pub name: String,
    /// Which extra claims its tokens carry.
    pub profile: Profile,
    /// How its tokens are signed; `None`: as the authorization server says.
    pub signing_alg: Option<Algorithm>,
    /// What its tokens look like.
    pub token_format: TokenFormat,
    /// Whether a client that asks for a token that it holds gets that one again.
    pub reuse_live_tokens: bool,
    /// Lifetime of its tokens, in seconds.
    pub token_lifetime_seconds: i64,
    /// The scopes it knows.
    pub scopes: Vec<ScopeDefinition>,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl ResourceServer {
    /// Whether it knows a scope.
    pub fn defines(&self, scope: &ScopeToken) -> bool {
        self.scopes.iter().any(|definition| definition.scope == *scope)
    }
}

/// A scope of a resource server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeDefinition {
    /// The token on the wire.
    pub scope: ScopeToken,
    /// For people.
    pub description: String,
}

/// The shape of access-token claims: RFC 9068, alone or with a vendor's additions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Adds `azp` and `gty`.
    Auth0,
    /// Adds `cid`, `scp` and `ver`.
    Okta,
    /// RFC 9068 alone.
    #[default]
    Rfc9068,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Rfc9068, Self::Okta, Self::Auth0];

    /// The name in configuration and storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth0 => "auth0",
            Self::Okta => "okta",
            Self::Rfc9068 => "rfc9068",
        }
    }

    /// The profile with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == name)
    }
}

/// What a token looks like to those who hold it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenFormat {
    /// A signed JWT (RFC 9068), which anyone can read and verify.
    #[default]
    Jwt,
    /// Sealed claims, which only introspection opens.
    Opaque,
}

impl TokenFormat {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Jwt, Self::Opaque];

    /// The name in configuration and storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Opaque => "opaque",
        }
    }

    /// The format with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

/// What a new resource server is to be.
#[derive(Clone, Debug)]
pub struct NewResourceServer {
    /// The authorization server that will issue its tokens.
    pub authorization_server_id: AuthorizationServerId,
    /// See [`ResourceServer::audience`].
    pub audience: Audience,
    /// See [`ResourceServer::name`].
    pub name: String,
    /// See [`ResourceServer::profile`].
    pub profile: Profile,
    /// See [`ResourceServer::signing_alg`].
    pub signing_alg: Option<Algorithm>,
    /// See [`ResourceServer::token_format`].
    pub token_format: TokenFormat,
    /// See [`ResourceServer::reuse_live_tokens`].
    pub reuse_live_tokens: bool,
    /// See [`ResourceServer::token_lifetime_seconds`].
    pub token_lifetime_seconds: i64,
    /// See [`ResourceServer::scopes`].
    pub scopes: Vec<ScopeDefinition>,
}

/// Creates a resource server. One that names an algorithm with which its
/// authorization server does not sign brings the keys along while the authorization
/// server is new; later they are added and published first
/// ([`signing_keys::add_algorithm`]).
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::AlreadyExists`] for the audience,
/// [`ChangeError::NotFound`] for the authorization server, [`ChangeError::State`] when
/// it does not sign with the algorithm.
pub async fn create(app: &App, by: &Actor, new: NewResourceServer) -> Result<ResourceServer, ChangeError> {
    let now = app.clock.now();
    let resource_server = check(new, ResourceServerId::generate(now, app.entropy.as_ref()), now)?;
    let server_id = resource_server.authorization_server_id.clone();
    let keys = missing_keys(app, &server_id, resource_server.signing_alg).await?;
    let brings_keys = !keys.is_empty();
    let mut written = insert(app, by, resource_server.clone(), keys).await;
    if brings_keys && matches!(written, Err(ChangeError::Store(StoreError::UniqueViolation))) {
        // The keys may be there by now: another resource server brought them.
        written = insert(app, by, resource_server.clone(), Vec::new()).await;
    }
    written.map_err(|error| error.or_already_exists("resource server", &resource_server.audience))?;
    Ok(resource_server)
}

/// The keys that a resource server with this algorithm brings along.
async fn missing_keys(
    app: &App,
    server_id: &AuthorizationServerId,
    algorithm: Option<Algorithm>,
) -> Result<Vec<StoredSigningKey>, ChangeError> {
    let server = app.catalog().authorization_server(server_id).cloned().ok_or_else(|| no_such_server(server_id))?;
    match algorithm {
        Some(algorithm) => signing_keys::first_keys(app, &server, algorithm).await,
        None => Ok(Vec::new()),
    }
}

fn no_such_server(id: &AuthorizationServerId) -> ChangeError {
    ChangeError::NotFound { kind: "authorization server", id: id.to_string() }
}

async fn insert(app: &App, by: &Actor, new: ResourceServer, keys: Vec<StoredSigningKey>) -> Result<(), ChangeError> {
    let now = new.created_at;
    let event =
        by.event("resource_server.created", "resource_server", new.id.as_str()).with_detail("audience", new.audience.as_str());
    let master_key = app.master_key.clone();
    app.write(move |tx| {
        Box::pin(async move {
            let held = hold_master_key::<ChangeError>(tx, &master_key).await?;
            let server_id = &new.authorization_server_id;
            tx.lock_authorization_server(server_id).await?.ok_or_else(|| no_such_server(server_id))?;
            for key in &keys {
                tx.insert_signing_key(&held, key).await?;
            }
            if let Some(algorithm) = new.signing_alg {
                signing_keys::hold_active(tx, &new.authorization_server_id, algorithm, now).await?;
            }
            tx.insert_resource_server(&new).await?;
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, new.id.as_str(), now);
            Ok(())
        })
    })
    .await
}

fn check(new: NewResourceServer, id: ResourceServerId, now: Timestamp) -> Result<ResourceServer, InvalidField> {
    check_name("name", &new.name)?;
    check_scopes(&new.scopes)?;
    Ok(ResourceServer {
        id,
        authorization_server_id: new.authorization_server_id,
        audience: new.audience,
        name: new.name,
        profile: new.profile,
        signing_alg: new.signing_alg,
        token_format: new.token_format,
        reuse_live_tokens: new.reuse_live_tokens,
        token_lifetime_seconds: check_lifetime(new.token_lifetime_seconds)?,
        scopes: new.scopes,
        version: 1,
        created_at: now,
        updated_at: now,
    })
}

fn check_scopes(scopes: &[ScopeDefinition]) -> Result<(), InvalidField> {
    if scopes.len() > MAX_SCOPES {
        return Err(InvalidField::new("scopes", scopes.len(), format!("at most {MAX_SCOPES} scopes")));
    }
    for definition in scopes {
        check_description("scopes.description", &definition.description)?;
    }
    let mut seen = std::collections::HashSet::new();
    if let Some(repeated) = scopes.iter().find(|definition| !seen.insert(&definition.scope)) {
        return Err(InvalidField::new("scopes", &repeated.scope, "each scope once"));
    }
    Ok(())
}
