//! Creating a client, with its first secret.

use countersign_protocol::{ClientAuthMethod, ClientId};

use super::Client;
use super::secrets::{CreatedSecret, make_secret};
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, check_name};
use crate::ids::generate_client_id;
use crate::store::ChangeKind;

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
/// [`ChangeError::Invalid`], [`ChangeError::AlreadyExists`].
pub async fn create(app: &App, by: &Actor, new: NewClient) -> Result<CreatedClient, ChangeError> {
    check_name("name", &new.name)?;
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
        created_at: now,
        credentials: vec![secret.credential.clone()],
        grants: Vec::new(),
    };
    let stored = client.clone();
    let event = by.event("client.created", "client", client.id.as_str()).with_detail("name", client.name.as_str());
    let written = app.write(move |tx| {
        Box::pin(async move {
            tx.insert_client(&stored).await?;
            for credential in &stored.credentials {
                tx.insert_credential(&stored.id, credential, now).await?;
            }
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Client, stored.id.as_str(), now);
            Ok(())
        })
    });
    written.await.map_err(|error: ChangeError| error.or_already_exists("client", &client.id))?;
    Ok(CreatedClient { client, secret })
}
