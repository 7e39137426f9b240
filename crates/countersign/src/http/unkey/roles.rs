//! Roles. A role's id is its name.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::operation::{Context, Reply};
use super::permissions::{NamedList, PermissionView};
use super::refusal::UnkeyRefusal;
use crate::api_keys::Permission;
use crate::api_keys::roles::{self, NewRole, Role, RolePatch};
use crate::management::Right;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRoleBody {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    permissions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleName {
    role: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RolePermissions {
    role_id: String,
    permissions: Vec<String>,
}

/// A role.
#[derive(Serialize)]
pub(super) struct RoleView {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    permissions: Vec<PermissionView>,
}

pub(super) async fn create(context: Context, body: NewRoleBody) -> Result<Reply, UnkeyRefusal> {
    context.require_for_instance(Right::RolesWrite)?;
    let permissions = parse(&body.permissions)?;
    let new = NewRole { name: body.name, description: body.description, permissions };
    let made = roles::create(&context.app, &context.actor(), new).await?;
    Ok(Reply::of(&json!({ "roleId": made.name })))
}

pub(super) async fn get(context: Context, body: RoleName) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::RolesRead)?;
    Ok(Reply::of(&RoleView::named(&context, &body.role).await?))
}

pub(super) async fn list(context: Context, body: NamedList) -> Result<Reply, UnkeyRefusal> {
    context.require(Right::RolesRead)?;
    let piece = body.piece("unkey roles")?;
    let mut rows = roles::list(&context.app, piece.page(&context)?).await?;
    let next = piece.cut(&context, &mut rows, |row: &Role| (row.created_at, row.name.clone()));
    let mut views = Vec::with_capacity(rows.len());
    for role in rows {
        views.push(RoleView::of(&context, role).await?);
    }
    Ok(Reply::list(&views, next))
}

pub(super) async fn delete(context: Context, body: RoleName) -> Result<Reply, UnkeyRefusal> {
    context.require_for_instance(Right::RolesWrite)?;
    roles::delete(&context.app, &context.actor(), &body.role, None).await?;
    Ok(Reply::empty())
}

pub(super) async fn set_permissions(context: Context, body: RolePermissions) -> Result<Reply, UnkeyRefusal> {
    context.require_for_instance(Right::RolesWrite)?;
    let patch = RolePatch { permissions: Some(parse(&body.permissions)?), ..RolePatch::default() };
    let role = roles::update(&context.app, &context.actor(), &body.role_id, patch, None).await?;
    Ok(Reply::of(&RoleView::of(&context, role).await?.permissions))
}

impl RoleView {
    pub(super) async fn named(context: &Context, name: &str) -> Result<Self, UnkeyRefusal> {
        Self::of(context, roles::find(&context.app, name).await?).await
    }

    async fn of(context: &Context, role: Role) -> Result<Self, UnkeyRefusal> {
        let mut permissions = Vec::with_capacity(role.permissions.len());
        for permission in &role.permissions {
            permissions.push(PermissionView::of(context, permission).await?);
        }
        Ok(Self { id: role.name.clone(), name: role.name, description: role.description, permissions })
    }
}

fn parse(slugs: &[String]) -> Result<Vec<Permission>, UnkeyRefusal> {
    let parse = |slug: &String| Permission::parse(slug).map_err(|error| UnkeyRefusal::member("permissions", error.to_string()));
    slugs.iter().map(parse).collect()
}
