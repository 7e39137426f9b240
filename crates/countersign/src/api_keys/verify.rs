//! Whether a key is valid for what is asked of it: every check in one order, and nothing
//! counted until all have passed.

use std::net::IpAddr;
use std::sync::Arc;

use countersign_protocol::{Secret, Timestamp};

use super::counted::{Counted, count};
use super::{
    ApiKey, ApiKeySecret, ApiKeyState, FindKeyError, LimitAsk, LimitStanding, Permission, PermissionExpression, Use, find_presented,
};
use crate::app::App;
use crate::catalog::Catalog;
use crate::clients::{Client, KeyPolicy};
use crate::config::Network;
use crate::ids::{OrganizationId, ResourceServerId};
use crate::management::resource_server_id;
use crate::store::StoreError;

/// Credits of a request that says nothing of them.
const DEFAULT_COST: u64 = 1;

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
    /// Limits that the request takes from, besides those that apply by themselves.
    pub limits: Vec<LimitAsk>,
    /// How many credits it costs; 0 looks.
    pub cost: u64,
    /// What it is counted under, besides its key: the caller has checked them.
    pub tags: Vec<String>,
    /// The asker knows the keys of this organization alone.
    pub organization: Option<OrganizationId>,
}

impl VerifyRequest {
    /// The question whether a key is valid at all.
    pub const fn of(key: Secret<String>) -> Self {
        let limits = Vec::new();
        let tags = Vec::new();
        Self { key, permissions: None, address: None, resource_server: None, limits, cost: DEFAULT_COST, tags, organization: None }
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// A limit has no room.
    RateLimited,
    /// Its credits do not suffice.
    UsageExceeded,
}

impl VerdictCode {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Valid,
        Self::NotFound,
        Self::Revoked,
        Self::Disabled,
        Self::Expired,
        Self::Forbidden,
        Self::InsufficientPermissions,
        Self::RateLimited,
        Self::UsageExceeded,
    ];

    /// The code with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

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
            Self::RateLimited => "RATE_LIMITED",
            Self::UsageExceeded => "USAGE_EXCEEDED",
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
    /// What the key may do, with what its roles and its client give.
    pub permissions: Vec<Permission>,
    /// The limits that were asked; nothing is taken unless the key is valid.
    pub limits: Vec<LimitStanding>,
    /// The credits that are left, where they are counted and were asked for.
    pub credits: Option<i64>,
    /// Up to which change of the feed it takes account of every one; `None`: nobody follows it.
    pub position: Option<i64>,
    /// Another address might get another verdict.
    pub is_for_address: bool,
}

/// Why nothing is known about what was presented, or nothing could be counted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It was not looked for to the end.
    #[error(transparent)]
    Find(#[from] FindKeyError),
    /// The store failed. Credits may be spent.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A limit could not be counted, and lets nothing pass then.
    #[error("the counters of a limit cannot be reached, and it lets nothing pass uncounted")]
    Uncounted,
    /// The request names a limit that neither the key nor its client has.
    #[error("neither the key nor its client has a limit `{0}`")]
    UnknownLimit(String),
}

impl Verdict {
    /// Whether the key is valid for what was asked.
    pub fn is_valid(&self) -> bool {
        self.code == VerdictCode::Valid
    }

    pub(crate) fn not_found(position: Option<i64>) -> Self {
        Self {
            code: VerdictCode::NotFound,
            key: None,
            secret_id: None,
            permissions: Vec::new(),
            limits: Vec::new(),
            credits: None,
            position,
            is_for_address: false,
        }
    }
}

/// Judges what was presented. Where no key was imported, text that is no key costs no lookup.
/// The verdict counts as usage of the key.
///
/// # Errors
/// [`VerifyError`].
pub async fn verify(app: &App, request: VerifyRequest) -> Result<Verdict, VerifyError> {
    let verdict = reach_verdict(app, &request).await?;
    app.key_usage.count(&verdict, &request.tags, request.cost, app.clock.now());
    Ok(verdict)
}

async fn reach_verdict(app: &App, request: &VerifyRequest) -> Result<Verdict, VerifyError> {
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
    let permissions = effective(&catalog, &client, key);
    let standing = standing(&client, key, secret, now);
    let code = standing.err().unwrap_or_else(|| judge(&catalog, request, (&client, key), &permissions));
    let counted = if code == VerdictCode::Valid {
        count(app, (&client, key), (&request.limits, request.cost), now).await?
    } else {
        Counted { code, limits: Vec::new(), credits: None }
    };
    let Counted { code, limits, credits } = counted;
    if code == VerdictCode::Valid {
        app.api_key_uses.record(key, secret, Use { used_at: now, source: request.address });
    }
    Ok(Verdict {
        code,
        secret_id: Some(secret.id.clone()),
        key: Some(Arc::clone(key)),
        permissions,
        limits,
        credits,
        position,
        is_for_address: !(key.allowed_networks.is_empty() && client.key_policy.allowed_networks.is_empty()),
    })
}

/// What a key may do, with what its roles give, and its client and its roles. A key for this
/// API has what is listed at the key and nothing else.
pub(super) fn effective(catalog: &Catalog, client: &Client, key: &ApiKey) -> Vec<Permission> {
    let nothing = KeyPolicy::default();
    let shared = if key.resource_server_id == resource_server_id() { &nothing } else { &client.key_policy };
    let of_roles = key.roles.iter().chain(&shared.roles).filter_map(|name| catalog.role(name)).flatten();
    let mut all: Vec<Permission> = key.permissions.iter().chain(&shared.permissions).chain(of_roles).cloned().collect();
    if all.len() > key.permissions.len() {
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

fn judge(catalog: &Catalog, request: &VerifyRequest, (client, key): (&Client, &ApiKey), permissions: &[Permission]) -> VerdictCode {
    if !is_for(catalog, key, request.resource_server.as_ref()) || !is_accepted_from(client, key, request.address) {
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

/// Whether the key and its client let it be used from there.
pub(super) fn is_accepted_from(client: &Client, key: &ApiKey, address: Option<IpAddr>) -> bool {
    [&key.allowed_networks, &client.key_policy.allowed_networks].into_iter().all(|allowed| is_within(allowed, address))
}

/// An address that is not told is in no network.
fn is_within(allowed: &[Network], address: Option<IpAddr>) -> bool {
    allowed.is_empty() || address.is_some_and(|address| allowed.iter().any(|network| network.contains(address)))
}
