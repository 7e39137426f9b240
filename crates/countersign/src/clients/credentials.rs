//! Looking at credentials, changing and revoking them.

use std::sync::Arc;

use countersign_protocol::{ClientId, Timestamp};

use super::{Client, Credential, CredentialUse, MAX_OVERLAP_SECONDS};
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, InvalidField, check_name};
use crate::ids::CredentialId;
use crate::log::rfc3339;
use crate::management::{LockedClient, lock_client};
use crate::revocation::{self, Marked};
use crate::store::{ChangeKind, StoreError, Tx};

/// Most credentials of one client that are neither revoked nor expired: each is
/// tried when the client authenticates.
const MAX_PER_CLIENT: i64 = 50;

/// A credential, and its last use as far as it is written.
#[derive(Clone, Debug)]
pub struct CredentialListing {
    /// The credential.
    pub credential: Credential,
    /// Its last use; a few seconds late.
    pub last_use: Option<CredentialUse>,
}

/// What to change of a credential. `None` keeps; in the inner one `None` clears.
#[derive(Clone, Debug, Default)]
pub struct CredentialChange {
    /// Only if it still has this [`Credential::version`].
    pub if_version: Option<i64>,
    /// For people.
    pub label: Option<String>,
    /// Not accepted before.
    pub not_before: Option<Option<Timestamp>>,
    /// Not accepted from this instant on.
    pub expires_at: Option<Option<Timestamp>>,
}

/// Every credential of a client, revoked ones included, oldest first.
///
/// # Errors
/// [`ChangeError::NotFound`] for the client.
pub async fn list_credentials(app: &App, client_id: &ClientId) -> Result<Vec<CredentialListing>, ChangeError> {
    let id = client_id.clone();
    let read = app.store.read(move |session| {
        Box::pin(async move {
            let Some(client) = session.find_client(&id).await? else { return Ok(None) };
            let mut uses = session.credential_uses_of(&id).await?;
            let listed = client.credentials.into_iter().map(|credential| {
                let last_use = uses.remove(&credential.id);
                CredentialListing { credential, last_use }
            });
            Ok::<_, StoreError>(Some(listed.collect()))
        })
    });
    read.await?.ok_or_else(|| ChangeError::NotFound { kind: "client", id: client_id.to_string() })
}

/// One credential of a client.
///
/// # Errors
/// [`ChangeError::NotFound`] for the client or the credential.
pub async fn show_credential(app: &App, client_id: &ClientId, id: &CredentialId) -> Result<CredentialListing, ChangeError> {
    let listed = list_credentials(app, client_id).await?;
    listed.into_iter().find(|listing| listing.credential.id == *id).ok_or_else(|| not_found(id))
}

/// Changes the label or the times of a credential.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`], [`ChangeError::State`] for a
/// revoked credential, and where a rotated one would lose its deadline.
pub async fn update_credential(
    app: &App,
    by: &Actor,
    client_id: &ClientId,
    id: &CredentialId,
    change: CredentialChange,
) -> Result<Credential, ChangeError> {
    let now = app.clock.now();
    if let Some(label) = &change.label {
        check_name("label", label)?;
    }
    let (client_id, id, by) = (client_id.clone(), id.clone(), by.clone());
    let mut event = by.event("credential.updated", "credential", id.as_str()).with_detail("client_id", client_id.as_str());
    app.write(move |tx| {
        Box::pin(async move {
            // Locks the client: nobody else changes its credentials meanwhile.
            let (client, mut credential) = find_unrevoked(tx, &by, &client_id, &id).await?;
            ChangeError::check_version(change.if_version, credential.version())?;
            if let Some(label) = change.label {
                event = event.with_detail("label", label.as_str());
                credential.label = label;
            }
            if let Some(not_before) = change.not_before {
                event = event.with_detail("not_before", not_before.map(Timestamp::as_millis));
                credential.not_before = not_before;
            }
            if let Some(expires_at) = change.expires_at {
                if expires_at.is_none() && credential.rotated_at.is_some() {
                    return Err(ChangeError::State("the credential was rotated: it keeps a deadline".to_owned()));
                }
                check_end(expires_at, now)?;
                check_overlap(&credential, expires_at)?;
                event = event.with_detail("expires_at", expires_at.map(Timestamp::as_millis));
                credential.expires_at = expires_at;
            }
            check_order(credential.not_before, credential.expires_at)?;
            if !tx.update_credential(&client_id, &credential).await? {
                return Err(not_found(&id));
            }
            tx.record_event(event.in_organization(client.owner()), now);
            tx.record_change(ChangeKind::Client, client_id.as_str(), now);
            Ok(credential)
        })
    })
    .await
}

/// A rotated credential lives no longer than a rotation could have let it.
fn check_overlap(credential: &Credential, expires_at: Option<Timestamp>) -> Result<(), InvalidField> {
    let latest = credential.rotated_at.map(|rotated_at| rotated_at.plus_seconds(MAX_OVERLAP_SECONDS));
    match (expires_at, latest) {
        (Some(end), Some(latest)) if end > latest => {
            Err(InvalidField::new("expires_at", rfc3339(end), format!("at most {}: the credential was rotated", rfc3339(latest))))
        }
        _ => Ok(()),
    }
}

/// Revokes a credential of a client for good, be it the last, and every token that was
/// obtained with it. Doing it again revokes these tokens again.
///
/// # Errors
/// [`ChangeError::NotFound`] when the client has no such credential.
pub async fn revoke_credential(
    app: &App,
    by: &Actor,
    client_id: &ClientId,
    credential_id: &CredentialId,
) -> Result<(), ChangeError> {
    let (client_id, credential_id, clock) = (client_id.clone(), credential_id.clone(), Arc::clone(&app.clock));
    let event = by.event("credential.revoked", "credential", credential_id.as_str()).with_detail("client_id", client_id.as_str());
    let by = by.clone();
    let written = app.commit(move |tx| {
        Box::pin(async move {
            let LockedClient { client, .. } = lock_client(tx, &by, &client_id).await?;
            let now = clock.now();
            if tx.revoke_credential(&client_id, &credential_id, now).await? {
                tx.record_event(event.in_organization(client.owner()), now);
                tx.record_change(ChangeKind::Client, client_id.as_str(), now);
            } else if tx.find_credential(&client_id, &credential_id).await?.is_none() {
                return Err(not_found(&credential_id));
            }
            // Also where it is revoked: whoever revoked it may not have been able to
            // move the mark behind the last token.
            let marked = Marked::Credential(credential_id);
            let not_before = revocation::mark(tx, &marked, now).await?;
            Ok(((), vec![(marked, not_before)]))
        })
    });
    revocation::outlast(app, written).await
}

/// Stores a new credential of a client, with its event.
pub(super) async fn store_new(app: &App, by: &Actor, client_id: &ClientId, new: &Credential) -> Result<(), ChangeError> {
    let (credential, id, by, now) = (new.clone(), client_id.clone(), by.clone(), new.created_at);
    let event = by
        .event("credential.created", "credential", credential.id.as_str())
        .with_detail("client_id", id.as_str())
        .with_detail("kind", credential.kind.name())
        .with_detail("label", credential.label.as_str());
    app.write(move |tx| {
        Box::pin(async move {
            let client = insert(tx, &by, &id, &credential).await?;
            tx.record_event(event.in_organization(client.owner()), now);
            Ok(())
        })
    })
    .await
}

/// Adds a credential to a client, which it locks, so that the count stays right.
pub(super) async fn insert(tx: &mut Tx, by: &Actor, client_id: &ClientId, new: &Credential) -> Result<Client, ChangeError> {
    let LockedClient { client, .. } = lock_client(tx, by, client_id).await?;
    let now = new.created_at;
    if tx.count_credentials(client_id, now).await? >= MAX_PER_CLIENT {
        return Err(ChangeError::State(format!(
            "the client has {MAX_PER_CLIENT} credentials that are neither revoked nor expired: revoke one first"
        )));
    }
    tx.insert_credential(client_id, new).await?;
    tx.record_change(ChangeKind::Client, client_id.as_str(), now);
    Ok(client)
}

/// A credential that is not revoked, of a client, which it locks.
async fn find_unrevoked(
    tx: &mut Tx,
    by: &Actor,
    client_id: &ClientId,
    id: &CredentialId,
) -> Result<(Client, Credential), ChangeError> {
    let LockedClient { client, .. } = lock_client(tx, by, client_id).await?;
    match tx.find_credential(client_id, id).await? {
        None => Err(not_found(id)),
        Some(credential) if credential.revoked_at.is_some() => Err(ChangeError::State("the credential is revoked".to_owned())),
        Some(credential) => Ok((client, credential)),
    }
}

pub(super) fn not_found(id: &CredentialId) -> ChangeError {
    ChangeError::NotFound { kind: "credential", id: id.to_string() }
}

/// Checks the times of a new credential.
pub(super) fn check_times(
    not_before: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), InvalidField> {
    check_end(expires_at, now)?;
    check_order(not_before, expires_at)
}

fn check_end(expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), InvalidField> {
    match expires_at {
        Some(end) if end <= now => {
            Err(InvalidField::new("expires_at", end.as_millis(), "a time in the future; to end it now, revoke it"))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_order(not_before: Option<Timestamp>, expires_at: Option<Timestamp>) -> Result<(), InvalidField> {
    match (not_before, expires_at) {
        (Some(start), Some(end)) if start >= end => {
            Err(InvalidField::new("not_before", start.as_millis(), "a time before expires_at"))
        }
        _ => Ok(()),
    }
}

/// The client that a credential belongs to.
///
/// # Errors
/// [`ChangeError::NotFound`].
pub async fn owner_of_credential(app: &App, id: &CredentialId) -> Result<ClientId, ChangeError> {
    let wanted = id.clone();
    let found = app.store.read(move |session| Box::pin(async move { session.owner_of_credential(&wanted).await }));
    found.await.map_err(|error: StoreError| error)?.ok_or_else(|| not_found(id))
}
