//! Which clients may introspect the tokens for a resource server. A resource server
//! itself has no secret: it asks as a client.

use countersign_protocol::ClientId;

use crate::app::App;
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::clients::{self, CreatedClient, NewClient};
use crate::ids::ResourceServerId;
use crate::management::lock_client;
use crate::store::ChangeKind;

/// Creates a client that may introspect the tokens for a resource server, and nothing
/// else.
///
/// # Errors
/// [`ChangeError::NotFound`].
pub async fn create_introspection_client(app: &App, by: &Actor, id: &ResourceServerId) -> Result<CreatedClient, ChangeError> {
    let audience = app.catalog().resource_server(id).map(|resource_server| resource_server.audience.to_string());
    let audience = audience.ok_or_else(|| not_found(id))?;
    let name: String = format!("Introspection for {audience}").chars().take(200).collect();
    let created = clients::make(app, by, NewClient::named(&name))?;
    let (client, of, now) = (created.client.clone(), id.clone(), created.client.created_at);
    let event = clients::created_event(by, &client).with_detail("introspects", id.as_str());
    let by = by.clone();
    let written = app.write(move |tx| {
        Box::pin(async move {
            clients::insert(tx, &by, &client).await?;
            tx.insert_introspection_client(&client.id, &of, now).await?;
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, of.as_str(), now);
            Ok(())
        })
    });
    let written = written.await.map_err(|error: ChangeError| error.or_not_found("resource server", id));
    written.map_err(|error| error.or_already_exists("client", &created.client.id))?;
    Ok(created)
}

/// Allows an existing client to introspect the tokens for a resource server.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::AlreadyExists`] when it is allowed.
pub async fn allow_introspection(app: &App, by: &Actor, client: &ClientId, id: &ResourceServerId) -> Result<(), ChangeError> {
    app.catalog().resource_server(id).ok_or_else(|| not_found(id))?;
    let now = app.clock.now();
    let event = by.event("client.introspection_allowed", "client", client.as_str()).with_detail("resource_server_id", id.as_str());
    let pair = format!("{client} -> {id}");
    let (by, client, of) = (by.clone(), client.clone(), id.clone());
    let written = app.write(move |tx| {
        Box::pin(async move {
            lock_client(tx, &by, &client).await?;
            tx.insert_introspection_client(&client, &of, now).await?;
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, of.as_str(), now);
            Ok(())
        })
    });
    let written = written.await.map_err(|error: ChangeError| error.or_not_found("resource server", id));
    written.map_err(|error| error.or_already_exists("introspection client", pair))
}

/// Takes the leave to introspect back.
///
/// # Errors
/// [`ChangeError::NotFound`] when the client was not allowed to.
pub async fn forbid_introspection(app: &App, by: &Actor, client: &ClientId, id: &ResourceServerId) -> Result<(), ChangeError> {
    let now = app.clock.now();
    let event =
        by.event("client.introspection_forbidden", "client", client.as_str()).with_detail("resource_server_id", id.as_str());
    let (by, client, id) = (by.clone(), client.clone(), id.clone());
    app.write(move |tx| {
        Box::pin(async move {
            lock_client(tx, &by, &client).await?;
            if !tx.delete_introspection_client(&client, &id).await? {
                return Err(ChangeError::NotFound { kind: "introspection client", id: format!("{client} -> {id}") });
            }
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, id.as_str(), now);
            Ok(())
        })
    })
    .await
}

fn not_found(id: &ResourceServerId) -> ChangeError {
    ChangeError::NotFound { kind: "resource server", id: id.to_string() }
}
