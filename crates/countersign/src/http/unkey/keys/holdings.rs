//! What a key holds: permissions and roles, added, removed or set as a whole.

use serde::Deserialize;

use super::{find, permissions};
use crate::api_keys::{self, ApiKey, ApiKeyPatch};
use crate::change::ChangeError;
use crate::http::unkey::operation::{Context, Reply};
use crate::http::unkey::permissions::PermissionView;
use crate::http::unkey::refusal::UnkeyRefusal;
use crate::http::unkey::roles::RoleView;
use crate::management::Right;

/// How often a change is tried that meets others of the same key.
const MAX_ROUNDS: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::http::unkey) struct KeyPermissions {
    key_id: String,
    #[serde(rename = "permissions")]
    slugs: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::http::unkey) struct KeyRoles {
    key_id: String,
    roles: Vec<String>,
}

#[derive(Clone, Copy)]
enum Change {
    Add,
    Remove,
    Set,
}

pub(in crate::http::unkey) async fn add_permissions(context: Context, body: KeyPermissions) -> Result<Reply, UnkeyRefusal> {
    change_permissions(context, body, Change::Add).await
}

pub(in crate::http::unkey) async fn remove_permissions(context: Context, body: KeyPermissions) -> Result<Reply, UnkeyRefusal> {
    change_permissions(context, body, Change::Remove).await
}

pub(in crate::http::unkey) async fn set_permissions(context: Context, body: KeyPermissions) -> Result<Reply, UnkeyRefusal> {
    change_permissions(context, body, Change::Set).await
}

pub(in crate::http::unkey) async fn add_roles(context: Context, body: KeyRoles) -> Result<Reply, UnkeyRefusal> {
    change_roles(context, body, Change::Add).await
}

pub(in crate::http::unkey) async fn remove_roles(context: Context, body: KeyRoles) -> Result<Reply, UnkeyRefusal> {
    change_roles(context, body, Change::Remove).await
}

pub(in crate::http::unkey) async fn set_roles(context: Context, body: KeyRoles) -> Result<Reply, UnkeyRefusal> {
    change_roles(context, body, Change::Set).await
}

async fn change_permissions(context: Context, body: KeyPermissions, change: Change) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::KeysWrite)?;
    let asked = permissions(&body.slugs)?;
    let changed = update(&context, &body.key_id, |key| {
        let permissions = Some(change.apply(&key.permissions, &asked));
        ApiKeyPatch { permissions, ..ApiKeyPatch::default() }
    });
    let key = changed.await?;
    let mut views = Vec::with_capacity(key.permissions.len());
    for permission in &key.permissions {
        views.push(PermissionView::of(&context, permission).await?);
    }
    Ok(Reply::of(&views))
}

async fn change_roles(context: Context, body: KeyRoles, change: Change) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::KeysWrite)?;
    let changed = update(&context, &body.key_id, |key| {
        let roles = Some(change.apply(&key.roles, &body.roles));
        ApiKeyPatch { roles, ..ApiKeyPatch::default() }
    });
    let key = changed.await?;
    let mut views = Vec::with_capacity(key.roles.len());
    for name in &key.roles {
        views.push(RoleView::named(&context, name).await?);
    }
    Ok(Reply::of(&views))
}

/// Changes a key as it is at that moment: what others change meanwhile is not lost.
async fn update(context: &Context, id: &str, change: impl Fn(&ApiKey) -> ApiKeyPatch) -> Result<ApiKey, UnkeyRefusal> {
    let mut round = 1;
    loop {
        let key = find(context, id).await?;
        match api_keys::update(&context.app, &context.actor(), &key.id, change(&key), Some(key.version)).await {
            Err(ChangeError::VersionMismatch { .. }) if round < MAX_ROUNDS => round += 1,
            done => return Ok(done?),
        }
    }
}

impl Change {
    /// The list after the change, each once.
    fn apply<T: Clone + PartialEq>(self, held: &[T], asked: &[T]) -> Vec<T> {
        let kept = held.iter().filter(|item| match self {
            Self::Add => true,
            Self::Remove => !asked.contains(item),
            Self::Set => false,
        });
        let added = asked.iter().filter(|_| !matches!(self, Self::Remove));
        let mut all: Vec<T> = Vec::new();
        for item in kept.chain(added) {
            if !all.contains(item) {
                all.push(item.clone());
            }
        }
        all
    }
}
