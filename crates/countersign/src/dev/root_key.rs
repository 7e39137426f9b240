//! The root key: an API key of the management API, for libraries that know such keys.

use countersign_protocol::{ClientId, Secret};

use super::objects::BY;
use crate::api_keys::{self, ApiKeyFilter, ApiKeyState, KeyAudience, NewApiKey, Permission, VerifyRequest};
use crate::app::App;
use crate::management::{Right, resource_server_id};
use crate::store::Page;

const NAME: &str = "Root key";
const PREFIX: &str = "unkey";
/// What such libraries do; not what makes operators.
const RIGHTS: [Right; 10] = [
    Right::ResourceServersRead,
    Right::ResourceServersWrite,
    Right::ClientsRead,
    Right::ClientsWrite,
    Right::KeysRead,
    Right::KeysWrite,
    Right::KeysVerify,
    Right::RolesRead,
    Right::RolesWrite,
    Right::RateLimitsTake,
];

/// The root key that is known and still good, or a new one in its place.
pub(super) async fn ensure(app: &App, owner: &ClientId, known: Option<&str>) -> anyhow::Result<Secret<String>> {
    let permissions = RIGHTS.iter().map(|right| Permission::parse(right.scope())).collect::<Result<Vec<_>, _>>()?;
    if let Some(known) = known
        && is_good(app, known, &permissions).await?
    {
        return Ok(Secret::new(known.to_owned()));
    }
    revoke_lost(app, owner).await?;
    let new =
        NewApiKey { prefix: Some(PREFIX.to_owned()), permissions, ..NewApiKey::named(NAME, owner.clone(), resource_server_id()) };
    let made = api_keys::create(app, &BY, new).await?;
    Ok(Secret::new(made.text.expose().clone()))
}

/// Whether it is accepted, and gives what this version's gives.
async fn is_good(app: &App, known: &str, permissions: &[Permission]) -> anyhow::Result<bool> {
    let resource_server = Some(KeyAudience::ResourceServer(resource_server_id()));
    let asked = VerifyRequest { resource_server, ..VerifyRequest::of(Secret::new(known.to_owned())) };
    let verdict = api_keys::verify(app, asked).await?;
    Ok(verdict.is_valid() && verdict.permissions == permissions)
}

/// Nobody knows the old ones any more.
async fn revoke_lost(app: &App, owner: &ClientId) -> anyhow::Result<()> {
    let filter = ApiKeyFilter {
        client_id: Some(owner.to_string()),
        resource_server_id: Some(resource_server_id().to_string()),
        state: Some(ApiKeyState::Active),
        ..ApiKeyFilter::default()
    };
    for lost in api_keys::list(app, filter, Page::first(100)).await? {
        if lost.name == NAME && lost.created_by == BY.name() {
            api_keys::revoke(app, &BY, &lost.id).await?;
        }
    }
    Ok(())
}
