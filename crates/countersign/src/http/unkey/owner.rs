//! Whose keys are: every key belongs to a client.

use countersign_protocol::{ClientId, ErrorCode};
use serde_json::Map;

use super::operation::Context;
use super::refusal::UnkeyRefusal;
use crate::change::ChangeError;
use crate::clients::{self, Client, KeyPolicy, NewClient, NewIdentity};
use crate::http::errors::fault;
use crate::management::Right;

/// The client with this external id, made where it is missing; without one, the client that
/// holds the keys that the caller made for nobody.
pub(super) async fn owner(context: &Context, external_id: Option<&str>) -> Result<ClientId, UnkeyRefusal> {
    let Some(external_id) = external_id else { return nobody(context).await };
    if let Some(found) = find(context, external_id).await? {
        return Ok(found.id);
    }
    context.require(Right::ClientsWrite)?;
    let (by, organization) = (context.actor(), context.organization());
    let new =
        NewIdentity { organization, external_id: external_id.to_owned(), metadata: Map::new(), key_policy: KeyPolicy::default() };
    match clients::create_identity(&context.app, &by, new).await {
        Ok(client) => Ok(client.id),
        // Another request was first.
        Err(ChangeError::AlreadyExists { .. }) => {
            let found = find(context, external_id).await?;
            Ok(found.ok_or_else(|| UnkeyRefusal::not_found("identity", external_id))?.id)
        }
        Err(error) => Err(error.into()),
    }
}

/// The identity with this external id.
pub(super) async fn find(context: &Context, external_id: &str) -> Result<Option<Client>, UnkeyRefusal> {
    Ok(clients::find_identity(&context.app, context.caller.organization(), external_id).await?)
}

/// One for each root key. It has no credential, no grant and no rights.
async fn nobody(context: &Context) -> Result<ClientId, UnkeyRefusal> {
    let text = format!("keys-of-{}", context.caller.proof_id());
    let id = ClientId::try_from(text.as_str()).map_err(|error| fault(ErrorCode::Internal, error.to_string()))?;
    match context.caller.find_client(&context.app, &id).await {
        Ok(client) => return Ok(client.id),
        Err(ChangeError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let new =
        NewClient { id: Some(id.clone()), organization_id: context.organization(), ..NewClient::named("Keys without an identity") };
    match clients::create_without_credential(&context.app, &context.actor(), new).await {
        Ok(_) | Err(ChangeError::AlreadyExists { .. }) => Ok(id),
        Err(error) => Err(error.into()),
    }
}
