//! Identities: clients that are known by what their owner calls them. Such a client needs no
//! credential of its own; its API keys say that they are its.

use countersign_protocol::ClientId;
use serde_json::{Map, Value};

use super::update::{Keys, delete_and};
use super::{
    Client, ClientPatch, ClientSummary, KeyPolicy, KeyPolicyPatch, NewClient, check_external_id, create_without_credential,
};
use crate::app::App;
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::ids::{OrganizationId, identity_client_id};
use crate::store::{Page, StoreError};

/// Identities of one external id that may follow each other.
const MAX_FOLLOWING: u32 = 16;

/// The identity with this external id; of exactly this organization, or of none.
///
/// # Errors
/// [`StoreError`].
pub async fn find_identity(
    app: &App,
    organization: Option<&OrganizationId>,
    external_id: &str,
) -> Result<Option<Client>, StoreError> {
    let (organization, external_id) = (organization.cloned(), external_id.to_owned());
    let found =
        app.store.read(move |session| Box::pin(async move { session.find_identity(organization.as_ref(), &external_id).await }));
    found.await
}

/// A piece of the list of identities, oldest first; of exactly this organization, or of none.
///
/// # Errors
/// [`StoreError`].
pub async fn list_identities(
    app: &App,
    organization: Option<OrganizationId>,
    page: Page,
) -> Result<Vec<ClientSummary>, StoreError> {
    app.store.read(move |session| Box::pin(async move { session.identities_page(organization.as_ref(), &page).await })).await
}

/// What a new identity is to be.
#[derive(Clone, Debug)]
pub struct NewIdentity {
    /// Whose client it is.
    pub organization: Option<OrganizationId>,
    /// What its owner calls it.
    pub external_id: String,
    /// What its owner wants to know of it.
    pub metadata: Map<String, Value>,
    /// What all its API keys are given and bound by.
    pub key_policy: KeyPolicy,
}

/// Creates an identity: of two that are created at once, one exists already.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::AlreadyExists`], [`ChangeError::LimitedToOrganization`].
pub async fn create_identity(app: &App, by: &Actor, identity: NewIdentity) -> Result<Client, ChangeError> {
    let NewIdentity { organization, external_id, metadata, key_policy } = identity;
    let external_id = external_id.as_str();
    check_external_id(external_id)?;
    let exists = || ChangeError::AlreadyExists { kind: "identity", id: external_id.to_owned() };
    if find_identity(app, organization.as_ref(), external_id).await?.is_some() {
        return Err(exists());
    }
    for number in 0..MAX_FOLLOWING {
        let id = identity_client_id(organization.as_ref(), external_id, number);
        let new = NewClient {
            id: id.clone(),
            organization_id: organization.clone(),
            external_id: Some(external_id.to_owned()),
            metadata: metadata.clone(),
            key_policy: key_policy.clone(),
            ..NewClient::named(external_id)
        };
        match (create_without_credential(app, by, new).await, id) {
            (Err(ChangeError::AlreadyExists { .. }), Some(id)) => {
                // Its place is taken by itself, or by one that gave up the external id.
                let taken = super::find(app, &id).await?;
                if taken.external_id.as_deref() == Some(external_id) {
                    return Err(exists());
                }
            }
            (created, _) => return created,
        }
    }
    Err(ChangeError::State("too many identities had this external id and still have keys: delete their keys first".to_owned()))
}

/// Deletes an identity. One that has API keys leaves them as they are, keys of a client
/// without an external id.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::ExceedsCaller`], and [`ChangeError::State`] for a
/// client that can authenticate or has grants.
pub async fn delete_identity(app: &App, by: &Actor, id: &ClientId) -> Result<(), ChangeError> {
    let client = super::find(app, id).await?;
    if !client.grants.is_empty() || client.credentials.iter().any(|credential| credential.revoked_at.is_none()) {
        let reason = "the client of the identity has credentials or grants: delete it by the management API";
        return Err(ChangeError::State(reason.to_owned()));
    }
    match delete_and(app, by, id, Some(client.version), Keys::Keep).await {
        Err(ChangeError::State(_)) => give_up(app, by, &client).await,
        done => done,
    }
}

/// Leaves its keys to a client without an external id.
async fn give_up(app: &App, by: &Actor, client: &Client) -> Result<(), ChangeError> {
    // What bound it as an identity goes; what an operator bound its keys by stays.
    let key_policy = KeyPolicyPatch { limits: Some(Vec::new()), ..KeyPolicyPatch::default() };
    let key_policy = if client.key_policy.limits.is_empty() { KeyPolicyPatch::default() } else { key_policy };
    let patch = ClientPatch { external_id: Some(None), metadata: Some(Map::new()), key_policy, ..ClientPatch::default() };
    super::update(app, by, &client.id, patch, Some(client.version)).await.map(drop)
}
