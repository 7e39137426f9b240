//! Creating a key.

use countersign_protocol::{ClientId, CredentialText, Timestamp};
use serde_json::{Map, Value};

use super::text::{check_prefix, make_secret};
use super::{ApiKey, DEFAULT_PREFIX, Permission, rights};
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, InvalidField, check_name};
use crate::clients::{check_external_id, check_metadata};
use crate::config::Network;
use crate::counters::{Credits, LimitRule};
use crate::ids::{ApiKeyId, ResourceServerId};
use crate::management::lock_client;
use crate::store::ChangeKind;

/// Most entries of each list of a key.
const MAX_LIST: usize = 100;
/// Most permissions of a key.
const MAX_PERMISSIONS: usize = 1_000;

/// What a new key is to be.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Whose it is.
    pub client_id: ClientId,
    /// What it is for.
    pub resource_server_id: ResourceServerId,
    /// For people.
    pub name: String,
    /// What its text begins with; `None`: [`DEFAULT_PREFIX`].
    pub prefix: Option<String>,
    /// What its owner calls it elsewhere.
    pub external_id: Option<String>,
    /// What its owner wants to know of it.
    pub metadata: Map<String, Value>,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// The names of its roles.
    pub roles: Vec<String>,
    /// Where it is accepted from; empty: from anywhere.
    pub allowed_networks: Vec<Network>,
    /// See [`ApiKey::limits`].
    pub limits: Vec<LimitRule>,
    /// How often it may be used; `None`: without a bound.
    pub credits: Option<Credits>,
    /// Not accepted from this instant on.
    pub expires_at: Option<Timestamp>,
}

impl NewApiKey {
    /// A key without permissions and without an end.
    pub fn named(name: &str, client_id: ClientId, resource_server_id: ResourceServerId) -> Self {
        Self {
            client_id,
            resource_server_id,
            name: name.to_owned(),
            prefix: None,
            external_id: None,
            metadata: Map::new(),
            permissions: Vec::new(),
            roles: Vec::new(),
            allowed_networks: Vec::new(),
            limits: Vec::new(),
            credits: None,
            expires_at: None,
        }
    }
}

/// A new key and its text, which is never shown again.
#[derive(Debug)]
pub struct CreatedApiKey {
    /// The key.
    pub key: ApiKey,
    /// What its owner must keep.
    pub text: CredentialText,
}

/// Creates a key.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`] for the client or the resource
/// server, [`ChangeError::ExceedsCaller`].
pub async fn create(app: &App, by: &Actor, new: NewApiKey) -> Result<CreatedApiKey, ChangeError> {
    let now = app.clock.now();
    let created = make(app, by, new, now)?;
    let stored = created.key.clone();
    let credits = stored.credits.map(|stored| stored.at(now));
    let event = by
        .event("api_key.created", "api_key", stored.id.as_str())
        .with_detail("client_id", stored.client_id.as_str())
        .with_detail("resource_server_id", stored.resource_server_id.as_str())
        .with_detail("name", stored.name.as_str());
    let by = by.clone();
    app.write(move |tx| {
        Box::pin(async move {
            let locked = lock_client(tx, &by, &stored.client_id).await?;
            rights::check(tx, &locked, &stored.resource_server_id, &stored.permissions, &stored.roles).await?;
            tx.insert_api_key(&stored).await?;
            if let Some(credits) = credits {
                super::credits::set(tx, &stored.id, Some(credits), now).await?;
            }
            for secret in &stored.secrets {
                tx.insert_api_key_secret(&stored.id, secret).await?;
                tx.record_change(ChangeKind::ApiKey, &secret.lookup, now);
            }
            tx.record_event(event.in_organization(locked.client.owner()), now);
            Ok::<_, ChangeError>(())
        })
    })
    .await?;
    Ok(created)
}

fn make(app: &App, by: &Actor, new: NewApiKey, now: Timestamp) -> Result<CreatedApiKey, ChangeError> {
    let mut key = without_secrets(app, by, new, now)?;
    let (secret, text) = make_secret(app, &key.prefix, now)?;
    key.secrets.push(secret);
    Ok(CreatedApiKey { key, text })
}

/// A checked key that nothing proves yet.
pub(super) fn without_secrets(app: &App, by: &Actor, new: NewApiKey, now: Timestamp) -> Result<ApiKey, InvalidField> {
    let prefix = new.prefix.unwrap_or_else(|| DEFAULT_PREFIX.to_owned());
    check_prefix(&prefix)?;
    check_name("name", &new.name)?;
    new.external_id.as_deref().map_or(Ok(()), check_external_id)?;
    check_metadata(&new.metadata)?;
    check_lists(&new.permissions, &new.roles, &new.allowed_networks)?;
    check_limits("limits", &new.limits)?;
    super::credits::check(new.credits.as_ref())?;
    check_end(new.expires_at, now)?;
    Ok(ApiKey {
        id: ApiKeyId::generate(now, app.entropy.as_ref()),
        client_id: new.client_id,
        resource_server_id: new.resource_server_id,
        name: new.name,
        prefix,
        external_id: new.external_id,
        metadata: new.metadata,
        permissions: new.permissions,
        roles: new.roles,
        allowed_networks: new.allowed_networks,
        limits: new.limits,
        credits: new.credits.map(|credits| credits.stored(now)),
        expires_at: new.expires_at,
        disabled_at: None,
        revoked_at: None,
        version: 1,
        created_at: now,
        created_by: by.name(),
        updated_at: now,
        secrets: Vec::new(),
    })
}

pub(crate) fn check_limits(field: &'static str, limits: &[LimitRule]) -> Result<(), InvalidField> {
    LimitRule::check_all(limits).map_err(|(name, error)| InvalidField::new(field, name.escape_debug(), error.to_string()))
}

pub(crate) fn check_lists(permissions: &[Permission], roles: &[String], networks: &[Network]) -> Result<(), InvalidField> {
    for (field, count, most) in [
        ("permissions", permissions.len(), MAX_PERMISSIONS),
        ("roles", roles.len(), MAX_LIST),
        ("allowed_networks", networks.len(), MAX_LIST),
    ] {
        if count > most {
            return Err(InvalidField::new(field, format!("{count} entries"), format!("at most {most}")));
        }
    }
    Ok(())
}

pub(super) fn check_end(expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), InvalidField> {
    match expires_at {
        Some(end) if end <= now => Err(InvalidField::new("expires_at", end.as_seconds(), "a time in the future")),
        Some(_) | None => Ok(()),
    }
}
