//! Changing and deleting a client.

use std::sync::Arc;

use countersign_protocol::{ClientAuthMethod, ClientId};
use serde_json::{Map, Value};

use super::{AssertionAudience, Client, KeyPolicyPatch, check_external_id, check_metadata, key_policy};
use crate::api_keys::EVERY_KEY;
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, check_name};
use crate::ids::OrganizationId;
use crate::management::{LockedClient, lock_client};
use crate::revocation::{self, Marked};
use crate::store::{ChangeKind, Tx};

/// What is to change; `None` keeps.
#[derive(Clone, Debug, Default)]
pub struct ClientPatch {
    /// See [`Client::name`].
    pub name: Option<String>,
    /// See [`Client::auth_method`].
    pub auth_method: Option<ClientAuthMethod>,
    /// See [`Client::auth_method_enforced`].
    pub auth_method_enforced: Option<bool>,
    /// See [`Client::assertion_audience`].
    pub assertion_audience: Option<AssertionAudience>,
    /// See [`Client::organization_id`]; `Some(None)` takes it out of its organization.
    pub organization_id: Option<Option<OrganizationId>>,
    /// See [`Client::external_id`]; `Some(None)` clears it.
    pub external_id: Option<Option<String>>,
    /// See [`Client::metadata`]; replaces all of it.
    pub metadata: Option<Map<String, Value>>,
    /// See [`Client::key_policy`].
    pub key_policy: KeyPolicyPatch,
}

impl ClientPatch {
    fn check(&self) -> Result<(), ChangeError> {
        if let Some(name) = &self.name {
            check_name("name", name)?;
        }
        if let Some(Some(external_id)) = &self.external_id {
            check_external_id(external_id)?;
        }
        if let Some(metadata) = &self.metadata {
            check_metadata(metadata)?;
        }
        Ok(())
    }

    fn apply(self, client: &mut Client) -> Vec<&'static str> {
        let mut changed = Vec::new();
        let mut set = |name: &'static str, given: bool| {
            if given {
                changed.push(name);
            }
        };
        set("name", self.name.is_some());
        set("token_endpoint_auth_method", self.auth_method.is_some());
        set("token_endpoint_auth_method_enforced", self.auth_method_enforced.is_some());
        set("assertion_audience", self.assertion_audience.is_some());
        set("organization_id", self.organization_id.is_some());
        set("external_id", self.external_id.is_some());
        set("metadata", self.metadata.is_some());
        set("key_policy", !self.key_policy.is_empty());
        self.key_policy.apply(&mut client.key_policy);
        client.name = self.name.unwrap_or_else(|| client.name.clone());
        client.auth_method = self.auth_method.unwrap_or(client.auth_method);
        client.auth_method_enforced = self.auth_method_enforced.unwrap_or(client.auth_method_enforced);
        client.assertion_audience = self.assertion_audience.unwrap_or(client.assertion_audience);
        client.organization_id = self.organization_id.unwrap_or_else(|| client.organization_id.clone());
        client.external_id = self.external_id.unwrap_or_else(|| client.external_id.clone());
        client.metadata = self.metadata.unwrap_or_else(|| client.metadata.clone());
        changed
    }
}

/// Changes a client, if it still has the version `if_version`.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`] for the client or the
/// organization, [`ChangeError::VersionMismatch`], [`ChangeError::ExceedsCaller`].
pub async fn update(
    app: &App,
    by: &Actor,
    id: &ClientId,
    patch: ClientPatch,
    if_version: Option<i64>,
) -> Result<Client, ChangeError> {
    patch.check()?;
    let now = app.clock.now();
    let event = by.event("client.updated", "client", id.as_str());
    let (by, id) = (by.clone(), id.clone());
    app.write(move |tx| {
        Box::pin(async move {
            let LockedClient { mut client, authority } = lock_client(tx, &by, &id).await?;
            ChangeError::check_version(if_version, client.version)?;
            if let Some(organization) = &patch.organization_id {
                authority.check_move(&client, organization.as_ref())?;
                authority.check_move_of_keys(tx, &client, organization.as_ref()).await?;
            }
            if let Some(Some(organization)) = &patch.organization_id {
                check_organization(tx, organization).await?;
            }
            let changes_policy = !patch.key_policy.is_empty();
            let changed = patch.apply(&mut client);
            if changes_policy {
                client.key_policy.check()?;
                key_policy::check(tx, &authority, &client.key_policy).await?;
            }
            client.updated_at = now;
            client.version = tx.update_client(&client).await?;
            let event = event.with_detail("changed", changed.join(" "));
            tx.record_event(event.in_organization(client.owner()), now);
            tx.record_change(ChangeKind::Client, id.as_str(), now);
            Ok(client)
        })
    })
    .await
}

/// Deletes a client with its credentials, API keys and grants. Every token it has is dead, also
/// for a later client of the same id.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::VersionMismatch`], [`ChangeError::ExceedsCaller`].
pub async fn delete(app: &App, by: &Actor, id: &ClientId, if_version: Option<i64>) -> Result<(), ChangeError> {
    delete_and(app, by, id, if_version, Keys::Delete).await
}

/// What becomes of the API keys of a client that is deleted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    Delete,
    /// It is not deleted while it has any: [`ChangeError::State`].
    Keep,
}

pub(super) async fn delete_and(
    app: &App,
    by: &Actor,
    id: &ClientId,
    if_version: Option<i64>,
    keys: Keys,
) -> Result<(), ChangeError> {
    let event = by.event("client.deleted", "client", id.as_str());
    let (by, id, clock) = (by.clone(), id.clone(), Arc::clone(&app.clock));
    let written = app.commit(move |tx| {
        Box::pin(async move {
            let LockedClient { client, authority } = lock_client(tx, &by, &id).await?;
            ChangeError::check_version(if_version, client.version)?;
            authority.check_not_own_end(&id)?;
            if keys == Keys::Keep && tx.has_api_key(&id).await? {
                return Err(ChangeError::State("the client has API keys".to_owned()));
            }
            let now = clock.now();
            if tx.delete_introspection_of(&id).await? {
                tx.record_change(ChangeKind::Catalog, id.as_str(), now);
            }
            if tx.delete_api_keys_of(&id).await? {
                tx.record_change(ChangeKind::ApiKey, EVERY_KEY, now);
            }
            tx.delete_client(&id).await?;
            let marked = Marked::Client(id.clone());
            let not_before = revocation::mark(tx, &marked, now).await?;
            let event = event.with_detail("name", client.name.as_str());
            tx.record_event(event.in_organization(client.owner()), now);
            tx.record_change(ChangeKind::Client, id.as_str(), now);
            Ok(((), vec![(marked, not_before)]))
        })
    });
    revocation::outlast(app, written).await
}

/// A reference to an organization that is gone must not reach the row.
pub(super) async fn check_organization(tx: &mut Tx, id: &OrganizationId) -> Result<(), ChangeError> {
    let found = tx.find_organization(id).await?;
    found.map(drop).ok_or_else(|| ChangeError::NotFound { kind: "organization", id: id.to_string() })
}
