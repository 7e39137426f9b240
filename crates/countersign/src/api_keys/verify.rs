//! Whether a key is valid for what is asked of it: every check in one order, and nothing
//! counted until all have passed.

use std::net::IpAddr;
use std::sync::Arc;

use countersign_protocol::{Secret, Timestamp};

use super::{ApiKey, ApiKeySecret, ApiKeyState, FindKeyError, Permission, PermissionExpression, Use, find_presented};
use crate::app::App;
use crate::catalog::Catalog;
use crate::clients::Client;
use crate::ids::{OrganizationId, ResourceServerId};

/// What is asked.
#[derive(Debug)]
pub struct VerifyRequest {
    /// What was presented.
    pub key: Secret<String>,
    /// What the key must be allowed to do.
    pub permissions: Option<PermissionExpression>,
    /// Where the end caller is.
    pub address: Option<IpAddr>,
    /// What the key must be for.
    pub resource_server: Option<KeyAudience>,
    /// The asker knows the keys of this organization alone.
    pub organization: Option<OrganizationId>,
}

impl VerifyRequest {
    /// The question whether a key is valid at all.
    pub const fn of(key: Secret<String>) -> Self {
        Self { key, permissions: None, address: None, resource_server: None, organization: None }
    }
}

/// What a key must be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyAudience {
    /// By its id.
    ResourceServer(ResourceServerId),
    /// By its audience, on whatever authorization server.
    Audience(String),
}

/// The codes of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerdictCode {
    /// The key is valid for what was asked.
    Valid,
    /// There is no such key, as far as the asker may know.
    NotFound,
    /// It is revoked.
    Revoked,
    /// It, or its client, is disabled.
    Disabled,
    /// Its end has come, or that of the secret that was presented.
    Expired,
    /// It is for another resource server, or not accepted from the caller's address.
    Forbidden,
    /// It lacks a permission.
    InsufficientPermissions,
}

impl VerdictCode {
    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "VALID",
            Self::NotFound => "NOT_FOUND",
            Self::Revoked => "REVOKED",
            Self::Disabled => "DISABLED",
            Self::Expired => "EXPIRED",
            Self::Forbidden => "FORBIDDEN",
            Self::InsufficientPermissions => "INSUFFICIENT_PERMISSIONS",
        }
    }
}

/// What is known about what was presented.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Whether it is valid, or why not.
    pub code: VerdictCode,
    /// The key; not told for [`VerdictCode::NotFound`].
    pub key: Option<Arc<ApiKey>>,
    /// Which of its secrets was presented.
    pub secret_id: Option<String>,
    /// What the key may do, roles included.
    pub permissions: Vec<Permission>,
    /// Up to which change of the feed it takes account of every one; `None`: nobody follows it.
    pub position: Option<i64>,
}

impl Verdict {
    /// Whether the key is valid for what was asked.
    pub fn is_valid(&self) -> bool {
        self.code == VerdictCode::Valid
    }

    const fn not_found(position: Option<i64>) -> Self {
        Self { code: VerdictCode::NotFound, key: None, secret_id: None, permissions: Vec::new(), position }
    }
}

/// Judges what was presented. Where no key was imported, text that is no key costs no lookup.
///
/// # Errors
/// [`FindKeyError`]: nothing is known about it.
pub async fn verify(app: &App, request: VerifyRequest) -> Result<Verdict, FindKeyError> {
    // Before anything is looked at: what changes from here on may go unnoticed.
    let position = app.feed_position();
    let found = find_presented(app, request.key.expose(), request.address).await?;
    let catalog = app.catalog();
    let Some((key, secret)) = found.as_ref().and_then(|found| Some((&found.key, found.secret()?))) else {
        return Ok(Verdict::not_found(position));
    };
    let Some(client) = app.find_client(&key.client_id).await? else { return Ok(Verdict::not_found(position)) };
    if request.organization.is_some() && request.organization != client.organization_id {
        return Ok(Verdict::not_found(position));
    }
    let now = app.clock.now();
    let permissions = effective(&catalog, key);
    let standing = standing(&client, key, secret, now);
    let code = standing.err().unwrap_or_else(|| judge(&catalog, &request, key, &permissions));
    if code == VerdictCode::Valid {
        app.api_key_uses.record(key, secret, Use { used_at: now, source: request.address });
    }
    Ok(Verdict { code, secret_id: Some(secret.id.clone()), key: Some(Arc::clone(key)), permissions, position })
}

/// What a key may do, with what its roles give.
pub(super) fn effective(catalog: &Catalog, key: &ApiKey) -> Vec<Permission> {
    let of_roles = key.roles.iter().filter_map(|name| catalog.role(name)).flat_map(|permissions| permissions.iter().cloned());
    let mut all: Vec<Permission> = key.permissions.iter().cloned().chain(of_roles).collect();
    if !key.roles.is_empty() {
        all.sort();
        all.dedup();
    }
    all
}

/// Whether a key is in force at all, whatever is asked of it.
///
/// # Errors
/// Why it is not.
pub(super) fn standing(client: &Client, key: &ApiKey, secret: &ApiKeySecret, now: Timestamp) -> Result<(), VerdictCode> {
    match key.state(now) {
        ApiKeyState::Revoked => Err(VerdictCode::Revoked),
        _ if client.disabled_at.is_some() => Err(VerdictCode::Disabled),
        ApiKeyState::Disabled => Err(VerdictCode::Disabled),
        ApiKeyState::Expired => Err(VerdictCode::Expired),
        ApiKeyState::Active if !secret.is_live(now) => Err(VerdictCode::Expired),
        ApiKeyState::Active => Ok(()),
    }
}

fn judge(catalog: &Catalog, request: &VerifyRequest, key: &ApiKey, permissions: &[Permission]) -> VerdictCode {
    if !is_for(catalog, key, request.resource_server.as_ref()) || !is_accepted_from(key, request.address) {
        return VerdictCode::Forbidden;
    }
    let has = |asked: &str| permissions.iter().any(|permission| permission.covers(asked));
    match &request.permissions {
        Some(expression) if !expression.is_met(&has) => VerdictCode::InsufficientPermissions,
        Some(_) | None => VerdictCode::Valid,
    }
}

fn is_for(catalog: &Catalog, key: &ApiKey, wanted: Option<&KeyAudience>) -> bool {
    match wanted {
        None => true,
        Some(KeyAudience::ResourceServer(id)) => key.resource_server_id == *id,
        Some(KeyAudience::Audience(audience)) => {
            catalog.resource_server(&key.resource_server_id).is_some_and(|own| own.audience.as_str() == audience)
        }
    }
}

/// An address that is not told is in no network.
pub(super) fn is_accepted_from(key: &ApiKey, address: Option<IpAddr>) -> bool {
    let allowed = &key.allowed_networks;
    allowed.is_empty() || address.is_some_and(|address| allowed.iter().any(|network| network.contains(address)))
}
