//! Operators: clients that may manage the instance.

use countersign_protocol::{ClientId, Scope};

use super::{Right, resource_server_id};
use crate::app::App;
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::clients::{self, CreatedClient, NewClient, NewClientGrant};
use crate::resource_servers::ScopeDefinition;

/// Creates a client that holds every right on the management API.
///
/// # Errors
/// [`ChangeError`]; [`ChangeError::NotFound`] before the instance was set up.
pub async fn create_operator(app: &App, by: &Actor, id: Option<ClientId>, name: &str) -> Result<CreatedClient, ChangeError> {
    let knows_all = |known: &[ScopeDefinition]| {
        Right::ALL.iter().all(|right| known.iter().any(|definition| definition.scope.as_str() == right.scope()))
    };
    // Its audience is that of the servers: a command beside them may know other base URLs.
    let catalog = app.catalog();
    if !catalog.resource_server(&resource_server_id()).is_some_and(|known| knows_all(&known.scopes)) {
        super::ensure_resource_server(app).await?;
    }
    let created = clients::create(app, by, NewClient { id, ..NewClient::named(name) }).await?;
    grant_every_right(app, by, &created.client.id).await?;
    Ok(created)
}

async fn grant_every_right(app: &App, by: &Actor, client_id: &ClientId) -> Result<(), ChangeError> {
    let scope = Scope::from_tokens(Right::ALL.iter().map(|right| right.scope()));
    let scope = scope.map_err(|_| ChangeError::State("the rights are no scope".to_owned()))?;
    let new = NewClientGrant {
        client_id: client_id.clone(),
        resource_server_id: resource_server_id(),
        scope,
        token_lifetime_seconds: None,
    };
    clients::grant(app, by, new).await.map(drop)
}
