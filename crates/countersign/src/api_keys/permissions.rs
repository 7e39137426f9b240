//! What people know of permissions: a name and a description. A key may have permissions
//! that nobody described; these describe themselves.

use countersign_protocol::Timestamp;

use super::Permission;
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, check_description, check_name};
use crate::store::{Page, StoreError};

/// A permission with a name and a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedPermission {
    /// The permission, as keys and roles have it: its identity.
    pub slug: Permission,
    /// For people; no two have the same.
    pub name: String,
    /// For people.
    pub description: String,
    /// When it was described.
    pub created_at: Timestamp,
}

/// Describes a permission.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::AlreadyExists`] for the permission or the name.
pub async fn create(
    app: &App,
    by: &Actor,
    slug: Permission,
    name: String,
    description: String,
) -> Result<DescribedPermission, ChangeError> {
    check_name("name", &name)?;
    check_description("description", &description)?;
    let now = app.clock.now();
    let described = DescribedPermission { slug, name, description, created_at: now };
    let (stored, event) = (described.clone(), by.event("permission.created", "permission", described.slug.as_str()));
    let written = app.write(move |tx| {
        Box::pin(async move {
            tx.insert_described_permission(&stored).await?;
            tx.record_event(event.with_detail("name", stored.name.as_str()), now);
            Ok::<_, ChangeError>(())
        })
    });
    written.await.map_err(|error| error.or_already_exists("permission", &described.slug))?;
    Ok(described)
}

/// What is known of a permission; `None`: nobody described it.
///
/// # Errors
/// [`StoreError`].
pub async fn find(app: &App, slug: &str) -> Result<Option<DescribedPermission>, StoreError> {
    let slug = slug.to_owned();
    app.store.read(move |session| Box::pin(async move { session.find_described_permission(&slug).await })).await
}

/// A piece of the list of permissions that somebody described, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(app: &App, page: Page) -> Result<Vec<DescribedPermission>, StoreError> {
    app.store.read(move |session| Box::pin(async move { session.described_permissions_page(&page).await })).await
}

/// Forgets a permission that no key and no role has.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::State`] while a key or a role has it.
pub async fn delete(app: &App, by: &Actor, slug: &str) -> Result<(), ChangeError> {
    let now = app.clock.now();
    let (event, slug) = (by.event("permission.deleted", "permission", slug), slug.to_owned());
    app.write(move |tx| {
        Box::pin(async move {
            if !tx.delete_described_permission(&slug).await? {
                return Err(ChangeError::NotFound { kind: "permission", id: slug });
            }
            if tx.is_permission_in_use(&slug).await? {
                return Err(ChangeError::State("keys or roles have the permission: take it from them first".to_owned()));
            }
            tx.record_event(event, now);
            Ok(())
        })
    })
    .await
}
