//! Roles: names for sets of permissions. They belong to the whole instance.

use countersign_protocol::Timestamp;

use super::Permission;
use crate::app::App;
use crate::audit::{Actor, AuditEvent};
use crate::change::{ChangeError, InvalidField, check_description};
use crate::store::{ChangeKind, Page, StoreError};

const MAX_NAME_LENGTH: usize = 100;
const MAX_PERMISSIONS: usize = 1_000;

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name, which is its identity.
    pub name: String,
    /// For people.
    pub description: String,
    /// What it gives.
    pub permissions: Vec<Permission>,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// What a new role is to be.
#[derive(Clone, Debug)]
pub struct NewRole {
    /// `[A-Za-z0-9_:.-]{1,100}`.
    pub name: String,
    /// At most 500 characters.
    pub description: String,
    /// What it gives.
    pub permissions: Vec<Permission>,
}

/// What to change of a role; `None` keeps.
#[derive(Clone, Debug, Default)]
pub struct RolePatch {
    /// See [`Role::description`].
    pub description: Option<String>,
    /// See [`Role::permissions`]; replaces all of them.
    pub permissions: Option<Vec<Permission>>,
}

/// Creates a role.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::AlreadyExists`].
pub async fn create(app: &App, by: &Actor, new: NewRole) -> Result<Role, ChangeError> {
    check_name(&new.name)?;
    check(&new.description, &new.permissions)?;
    let now = app.clock.now();
    let role = Role {
        name: new.name,
        description: new.description,
        permissions: new.permissions,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let (stored, event) = (role.clone(), event(by, "role.created", &role.name));
    let written = app.write(move |tx| {
        Box::pin(async move {
            tx.insert_role(&stored).await?;
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, &stored.name, now);
            Ok::<_, ChangeError>(())
        })
    });
    written.await.map_err(|error| error.or_already_exists("role", &role.name))?;
    Ok(role)
}

/// A role.
///
/// # Errors
/// [`ChangeError::NotFound`].
pub async fn find(app: &App, name: &str) -> Result<Role, ChangeError> {
    let wanted = name.to_owned();
    let found = app.store.read(move |session| Box::pin(async move { session.find_role(&wanted).await }));
    found.await.map_err(|error: StoreError| error)?.ok_or_else(|| not_found(name))
}

/// A piece of the list of roles, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(app: &App, page: Page) -> Result<Vec<Role>, StoreError> {
    app.store.read(move |session| Box::pin(async move { session.roles_page(&page).await })).await
}

/// Changes a role, and so every key that has it, if it still has the version `if_version`.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`], [`ChangeError::VersionMismatch`].
pub async fn update(app: &App, by: &Actor, name: &str, patch: RolePatch, if_version: Option<i64>) -> Result<Role, ChangeError> {
    check(patch.description.as_deref().unwrap_or_default(), patch.permissions.as_deref().unwrap_or_default())?;
    let now = app.clock.now();
    let (event, name) = (event(by, "role.updated", name), name.to_owned());
    app.write(move |tx| {
        Box::pin(async move {
            let mut role = tx.lock_role(&name).await?.ok_or_else(|| not_found(&name))?;
            ChangeError::check_version(if_version, role.version)?;
            role.description = patch.description.unwrap_or(role.description);
            role.permissions = patch.permissions.unwrap_or(role.permissions);
            role.updated_at = now;
            role.version = tx.update_role(&role).await?;
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, &name, now);
            Ok(role)
        })
    })
    .await
}

/// Deletes a role that no key has.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::State`] while a key has it,
/// [`ChangeError::VersionMismatch`].
pub async fn delete(app: &App, by: &Actor, name: &str, if_version: Option<i64>) -> Result<(), ChangeError> {
    let now = app.clock.now();
    let (event, name) = (event(by, "role.deleted", name), name.to_owned());
    app.write(move |tx| {
        Box::pin(async move {
            let role = tx.lock_role(&name).await?.ok_or_else(|| not_found(&name))?;
            ChangeError::check_version(if_version, role.version)?;
            if tx.has_api_key_with_role(&name).await? || tx.has_client_with_key_role(&name).await? {
                return Err(ChangeError::State("keys or clients have the role: take it from them first".to_owned()));
            }
            tx.delete_role(&name).await?;
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, &name, now);
            Ok(())
        })
    })
    .await
}

fn check_name(name: &str) -> Result<(), InvalidField> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.' | b'-');
    if (1..=MAX_NAME_LENGTH).contains(&name.len()) && name.bytes().all(legal) {
        return Ok(());
    }
    Err(InvalidField::new("name", name.escape_debug(), format!("1 to {MAX_NAME_LENGTH} of `A-Z a-z 0-9 _ : . -`")))
}

fn check(description: &str, permissions: &[Permission]) -> Result<(), InvalidField> {
    check_description("description", description)?;
    if permissions.len() > MAX_PERMISSIONS {
        return Err(InvalidField::new(
            "permissions",
            format!("{} entries", permissions.len()),
            format!("at most {MAX_PERMISSIONS}"),
        ));
    }
    Ok(())
}

fn event(by: &Actor, action: &'static str, name: &str) -> AuditEvent {
    by.event(action, "role", name)
}

fn not_found(name: &str) -> ChangeError {
    ChangeError::NotFound { kind: "role", id: name.to_owned() }
}
