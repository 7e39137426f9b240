//! Creating a client, with its first secret.

use countersign_protocol::{ClientAuthMethod, ClientId};
use serde_json::{Map, Value};

use super::secrets::{CreatedSecret, make_secret};
use super::update::check_organization;
use super::{Client, check_external_id, check_metadata};
use crate::app::App;
use crate::audit::{Actor, AuditEvent};
use crate::change::{ChangeError, check_name};
use crate::ids::{OrganizationId, generate_client_id};
use crate::management::Authority;
use crate::store::{ChangeKind, Tx};

/// What a new client is to be.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Its `client_id`; `None`: one is made.
    pub id: Option<ClientId>,
    /// For people.
    pub name: String,
    /// How it will authenticate.
    pub auth_method: ClientAuthMethod,
    /// Whether only that method is accepted.
    pub auth_method_enforced: bool,
    /// Whose client it is.
    pub organization_id: Option<OrganizationId>,
    /// What its owner calls it elsewhere.
    pub external_id: Option<String>,
    /// What its owner wants to know of it.
    pub metadata: Map<String, Value>,
}

impl NewClient {
    /// A client of no organization that will send its secret in the header.
    pub fn named(name: &str) -> Self {
        Self {
            id: None,
            name: name.to_owned(),
            auth_method: ClientAuthMethod::ClientSecretBasic,
            auth_method_enforced: false,
            organization_id: None,
            external_id: None,
            metadata: Map::new(),
        }
    }
}

/// A new client and its secret, which is never shown again.
#[derive(Debug)]
pub struct CreatedClient {
    /// The client.
    pub client: Client,
    /// Its first secret.
    pub secret: CreatedSecret,
}

/// Creates a client.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::AlreadyExists`],
/// [`ChangeError::LimitedToOrganization`].
pub async fn create(app: &App, by: &Actor, new: NewClient) -> Result<CreatedClient, ChangeError> {
    let created = make(app, new)?;
    let (client, now) = (created.client.clone(), created.client.created_at);
    let event = created_event(by, &client);
    let by = by.clone();
    let written = app.write(move |tx| {
        Box::pin(async move {
            insert(tx, &by, &client).await?;
            tx.record_event(event, now);
            Ok(())
        })
    });
    written.await.map_err(|error: ChangeError| error.or_already_exists("client", &created.client.id))?;
    Ok(created)
}

/// A client that is not stored yet.
pub(crate) fn make(app: &App, new: NewClient) -> Result<CreatedClient, ChangeError> {
    check_name("name", &new.name)?;
    if let Some(external_id) = &new.external_id {
        check_external_id(external_id)?;
    }
    check_metadata(&new.metadata)?;
    let now = app.clock.now();
    let made_id =
        || generate_client_id(now, app.entropy.as_ref()).ok_or_else(|| ChangeError::State("no client_id could be made".to_owned()));
    let id = new.id.map_or_else(made_id, Ok)?;
    let secret = make_secret(app, "first", now)?;
    let client = Client {
        id,
        name: new.name,
        auth_method: new.auth_method,
        auth_method_enforced: new.auth_method_enforced,
        disabled_at: None,
        organization_id: new.organization_id,
        external_id: new.external_id,
        metadata: new.metadata,
        version: 1,
        updated_at: now,
        created_at: now,
        credentials: vec![secret.credential.clone()],
        grants: Vec::new(),
    };
    Ok(CreatedClient { client, secret })
}

/// What the audit log says about a new client.
pub(crate) fn created_event(by: &Actor, client: &Client) -> AuditEvent {
    let event = by.event("client.created", "client", client.id.as_str()).with_detail("name", client.name.as_str());
    event.in_organization(client.organization_id.as_ref().map(OrganizationId::as_str))
}

/// Stores a new client with its credentials.
pub(crate) async fn insert(tx: &mut Tx, by: &Actor, client: &Client) -> Result<(), ChangeError> {
    if !Authority::of(tx, by).await?.reaches(client.organization_id.as_ref()) {
        return Err(ChangeError::LimitedToOrganization("a caller of an organization creates clients in it"));
    }
    if let Some(organization) = &client.organization_id {
        check_organization(tx, organization).await?;
    }
    tx.insert_client(client).await?;
    for credential in &client.credentials {
        tx.insert_credential(&client.id, credential, client.created_at).await?;
    }
    tx.record_change(ChangeKind::Client, client.id.as_str(), client.created_at);
    Ok(())
}
