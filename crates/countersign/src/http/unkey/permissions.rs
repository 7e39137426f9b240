//! Permissions that have a name. A permission's id is its slug: that is what keys and roles
//! have, so nothing else can come to mean it.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::operation::{Context, Reply};
use super::page::Piece;
use super::refusal::UnkeyRefusal;
use crate::api_keys::Permission;
use crate::api_keys::permissions::{self, DescribedPermission};
use crate::management::Right;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPermission {
    name: String,
    slug: String,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PermissionName {
    permission: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedList {
    pub(super) limit: Option<u32>,
    pub(super) cursor: Option<String>,
    search: Option<String>,
}

/// A permission.
#[derive(Serialize)]
pub(super) struct PermissionView {
    id: String,
    name: String,
    slug: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
}

pub(super) async fn create(context: Context, body: NewPermission) -> Result<Reply, UnkeyRefusal> {
    context.require_for_instance(Right::RolesWrite)?;
    let slug = Permission::parse(&body.slug).map_err(|error| UnkeyRefusal::member("slug", error.to_string()))?;
    let made = permissions::create(&context.app, &context.actor(), slug, body.name, body.description).await?;
    Ok(Reply::of(&json!({ "permissionId": made.slug.as_str() })))
}

pub(super) async fn get(context: Context, body: PermissionName) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::RolesRead)?;
    let found = permissions::find(&context.app, &body.permission).await?;
    let found = found.ok_or_else(|| UnkeyRefusal::not_found("permission", &body.permission))?;
    Ok(Reply::of(&PermissionView::described(&found)))
}

pub(super) async fn list(context: Context, body: NamedList) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::RolesRead)?;
    let piece = body.piece("unkey permissions")?;
    let mut rows = permissions::list(&context.app, piece.page(&context)?).await?;
    let next = piece.cut(&context, &mut rows, |row: &DescribedPermission| (row.created_at, row.slug.to_string()));
    Ok(Reply::list(&rows.iter().map(PermissionView::described).collect::<Vec<_>>(), next))
}

pub(super) async fn delete(context: Context, body: PermissionName) -> Result<Reply, UnkeyRefusal> {
    context.require_for_instance(Right::RolesWrite)?;
    permissions::delete(&context.app, &context.actor(), &body.permission).await?;
    Ok(Reply::empty())
}

impl NamedList {
    /// The piece that is asked for.
    pub(super) fn piece(self, name: &str) -> Result<Piece, UnkeyRefusal> {
        if self.search.is_some_and(|search| !search.is_empty()) {
            return Err(UnkeyRefusal::member("search", "none: the list is read as a whole"));
        }
        Piece::of(name.to_owned(), self.limit, self.cursor)
    }
}

impl PermissionView {
    /// A permission that a key or a role has: one that nobody described describes itself.
    pub(super) async fn of(context: &Context, permission: &Permission) -> Result<Self, UnkeyRefusal> {
        let described = permissions::find(&context.app, permission.as_str()).await?;
        Ok(described.as_ref().map_or_else(|| Self::bare(permission), Self::described))
    }

    pub(super) fn bare(permission: &Permission) -> Self {
        let slug = permission.to_string();
        Self { id: slug.clone(), name: slug.clone(), slug, description: String::new() }
    }

    fn described(permission: &DescribedPermission) -> Self {
        let slug = permission.slug.to_string();
        Self { id: slug.clone(), name: permission.name.clone(), slug, description: permission.description.clone() }
    }
}
