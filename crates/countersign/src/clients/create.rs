//! Creating a client, with its first secret.

use countersign_protocol::{ClientAuthMethod, ClientId, Timestamp};
use serde_json::{Map, Value};

use super::secrets::{CreatedSecret, make_secret};
use super::update::check_organization;
use super::{AssertionAudience, Client, Credential, KeyPolicy, check_external_id, check_metadata, key_policy};
use crate::app::App;
use crate::audit::{Actor, AuditEvent};
use crate::change::{ChangeError, InvalidField, check_name};
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
    /// What `aud` of its assertions may be.
    pub assertion_audience: AssertionAudience,
    /// Whose client it is.
    pub organization_id: Option<OrganizationId>,
    /// What its owner calls it elsewhere.
    pub external_id: Option<String>,
    /// What its owner wants to know of it.
    pub metadata: Map<String, Value>,
    /// What all its API keys are given and bound by.
    pub key_policy: KeyPolicy,
}

impl NewClient {
    /// A client of no organization that will send its secret in the header.
    pub fn named(name: &str) -> Self {
        Self {
            id: None,
            name: name.to_owned(),
            auth_method: ClientAuthMethod::ClientSecretBasic,
            auth_method_enforced: false,
            assertion_audience: AssertionAudience::Issuer,
            organization_id: None,
            external_id: None,
            metadata: Map::new(),
            key_policy: KeyPolicy::default(),
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

/// Creates a client that authenticates by a secret; for one with keys see
/// [`create_with_keys`](super::create_with_keys).
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::AlreadyExists`],
/// [`ChangeError::LimitedToOrganization`].
pub async fn create(app: &App, by: &Actor, new: NewClient) -> Result<CreatedClient, ChangeError> {
    let created = make(app, by, new)?;
    store(app, by, &created.client).await?;
    Ok(created)
}

/// Creates a client that cannot authenticate until it is given a credential.
///
/// # Errors
/// Those of [`create`].
pub async fn create_without_credential(app: &App, by: &Actor, new: NewClient) -> Result<Client, ChangeError> {
    let client = with_credentials(app, new, Vec::new(), app.clock.now())?;
    store(app, by, &client).await?;
    Ok(client)
}

/// Stores a new client, with its event.
pub(super) async fn store(app: &App, by: &Actor, client: &Client) -> Result<(), ChangeError> {
    let (stored, now) = (client.clone(), client.created_at);
    let event = created_event(by, client);
    let by = by.clone();
    let written = app.write(move |tx| {
        Box::pin(async move {
            insert(tx, &by, &stored).await?;
            tx.record_event(event, now);
            Ok(())
        })
    });
    written.await.map_err(|error: ChangeError| error.or_already_exists("client", &client.id))
}

/// A client with a secret that is not stored yet.
pub(crate) fn make(app: &App, by: &Actor, new: NewClient) -> Result<CreatedClient, ChangeError> {
    if !new.auth_method.uses_secret() {
        let accepted = "a method that uses a secret; a client that has none is created with its keys, or without a credential";
        return Err(InvalidField::new("token_endpoint_auth_method", new.auth_method.as_str(), accepted).into());
    }
    let secret = make_secret(app, by, "first".into(), app.clock.now())?;
    let client = with_credentials(app, new, vec![secret.credential.clone()], secret.credential.created_at)?;
    Ok(CreatedClient { client, secret })
}

/// A client with its first credentials that is not stored yet.
pub(super) fn with_credentials(
    app: &App,
    new: NewClient,
    credentials: Vec<Credential>,
    now: Timestamp,
) -> Result<Client, ChangeError> {
    check_name("name", &new.name)?;
    if let Some(external_id) = &new.external_id {
        check_external_id(external_id)?;
    }
    check_metadata(&new.metadata)?;
    new.key_policy.check()?;
    let made_id =
        || generate_client_id(now, app.entropy.as_ref()).ok_or_else(|| ChangeError::State("no client_id could be made".to_owned()));
    Ok(Client {
        id: new.id.map_or_else(made_id, Ok)?,
        name: new.name,
        auth_method: new.auth_method,
        auth_method_enforced: new.auth_method_enforced,
        assertion_audience: new.assertion_audience,
        disabled_at: None,
        organization_id: new.organization_id,
        external_id: new.external_id,
        metadata: new.metadata,
        key_policy: new.key_policy,
        version: 1,
        updated_at: now,
        created_at: now,
        credentials,
        grants: Vec::new(),
    })
}

/// What the audit log says about a new client.
pub(crate) fn created_event(by: &Actor, client: &Client) -> AuditEvent {
    let event = by.event("client.created", "client", client.id.as_str()).with_detail("name", client.name.as_str());
    event.in_organization(client.owner())
}

/// Stores a new client with its credentials.
pub(crate) async fn insert(tx: &mut Tx, by: &Actor, client: &Client) -> Result<(), ChangeError> {
    let authority = Authority::of(tx, by).await?;
    if !authority.reaches(client.organization_id.as_ref()) {
        return Err(ChangeError::LimitedToOrganization("a caller of an organization creates clients in it"));
    }
    if let Some(organization) = &client.organization_id {
        check_organization(tx, organization).await?;
    }
    if client.key_policy != KeyPolicy::default() {
        key_policy::check(tx, &authority, &client.key_policy).await?;
    }
    tx.insert_client(client).await?;
    for credential in &client.credentials {
        tx.insert_credential(&client.id, credential).await?;
    }
    tx.record_change(ChangeKind::Client, client.id.as_str(), client.created_at);
    Ok(())
}
