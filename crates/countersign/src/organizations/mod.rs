//! Organizations: partner companies that own clients.

use countersign_protocol::Timestamp;

use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, check_name};
use crate::ids::OrganizationId;
use crate::store::{Page, StoreError};

/// A partner company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// For people.
    pub name: String,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Creates an organization.
///
/// # Errors
/// [`ChangeError::Invalid`].
pub async fn create(app: &App, by: &Actor, name: &str) -> Result<Organization, ChangeError> {
    check_name("name", name)?;
    let now = app.clock.now();
    let id = OrganizationId::generate(now, app.entropy.as_ref());
    let organization = Organization { id, name: name.to_owned(), version: 1, created_at: now, updated_at: now };
    let event = event(by, "organization.created", &organization.id).with_detail("name", name);
    let stored = organization.clone();
    app.write(move |tx| {
        Box::pin(async move {
            tx.insert_organization(&stored).await?;
            tx.record_event(event, now);
            Ok::<_, ChangeError>(())
        })
    })
    .await?;
    Ok(organization)
}

/// Renames an organization, if it still has the version `if_version`.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`], [`ChangeError::VersionMismatch`].
pub async fn rename(
    app: &App,
    by: &Actor,
    id: &OrganizationId,
    name: Option<String>,
    if_version: Option<i64>,
) -> Result<Organization, ChangeError> {
    if let Some(name) = &name {
        check_name("name", name)?;
    }
    let now = app.clock.now();
    let event = event(by, "organization.updated", id);
    let id = id.clone();
    app.write(move |tx| {
        Box::pin(async move {
            let found = tx.touch_organization(&id, now).await?;
            let mut organization = found.ok_or_else(|| not_found(&id))?;
            ChangeError::check_version(if_version, organization.version)?;
            organization.name = name.unwrap_or(organization.name);
            organization.version = tx.update_organization(&organization).await?;
            tx.record_event(event.with_detail("name", organization.name.as_str()), now);
            Ok(organization)
        })
    })
    .await
}

/// Deletes an organization that owns nothing.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::State`] while a client belongs to it,
/// [`ChangeError::VersionMismatch`].
pub async fn delete(app: &App, by: &Actor, id: &OrganizationId, if_version: Option<i64>) -> Result<(), ChangeError> {
    let now = app.clock.now();
    let event = event(by, "organization.deleted", id);
    let id = id.clone();
    app.write(move |tx| {
        Box::pin(async move {
            let found = tx.touch_organization(&id, now).await?.ok_or_else(|| not_found(&id))?;
            ChangeError::check_version(if_version, found.version)?;
            if !tx.delete_organization(&id).await? {
                return Err(ChangeError::State("clients belong to the organization: delete or move them first".to_owned()));
            }
            tx.record_event(event, now);
            Ok(())
        })
    })
    .await
}

/// An organization.
///
/// # Errors
/// [`ChangeError::NotFound`].
pub async fn find(app: &App, id: &OrganizationId) -> Result<Organization, ChangeError> {
    let wanted = id.clone();
    let found = app.store.read(move |session| Box::pin(async move { session.find_organization(&wanted).await }));
    found.await.map_err(|error: StoreError| error)?.ok_or_else(|| not_found(id))
}

/// A piece of the list of organizations, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(app: &App, page: Page) -> Result<Vec<Organization>, StoreError> {
    app.store.read(move |session| Box::pin(async move { session.organizations_page(&page).await })).await
}

fn event(by: &Actor, action: &'static str, id: &OrganizationId) -> crate::audit::AuditEvent {
    by.event(action, "organization", id.as_str()).in_organization(Some(id.as_str()))
}

fn not_found(id: &OrganizationId) -> ChangeError {
    ChangeError::NotFound { kind: "organization", id: id.to_string() }
}
