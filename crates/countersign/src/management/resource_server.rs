//! The resource server that stands for the management API.

use countersign_protocol::{Audience, ScopeToken};

use super::Right;
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, InvalidField};
use crate::ids::{AuthorizationServerId, ResourceServerId};
use crate::resource_servers::{Profile, ResourceServer, ScopeDefinition, TokenFormat};
use crate::store::{ChangeKind, StoreError};

/// Lifetime of the tokens of this API, in seconds.
const TOKEN_LIFETIME_SECONDS: i64 = 600;

/// Its id is known beforehand: there is one per instance.
pub fn resource_server_id() -> ResourceServerId {
    ResourceServerId::from_stored("rs_management")
}

/// Makes the resource server of the management API, or brings its audience and its
/// scopes up to date: the audience follows the first base URL, the scopes this
/// binary. Nothing happens before the authorization server `default` exists.
///
/// # Errors
/// [`ChangeError`].
pub async fn ensure_resource_server(app: &App) -> Result<(), ChangeError> {
    let server_id = AuthorizationServerId::default_server();
    if app.catalog().authorization_server(&server_id).is_none() {
        return Ok(());
    }
    let wanted = describe(app, server_id)?;
    let (action, exists) = match app.catalog().resource_server(&wanted.id) {
        Some(found) if found.audience == wanted.audience && found.scopes == wanted.scopes => return Ok(()),
        Some(_) => ("resource_server.updated", true),
        None => ("resource_server.created", false),
    };
    let by = Actor::system("start");
    let event = by.event(action, "resource_server", wanted.id.as_str()).with_detail("audience", wanted.audience.as_str());
    let now = wanted.created_at;
    let written = app.write(move |tx| {
        Box::pin(async move {
            if exists {
                tx.set_audience_and_scopes(&wanted, now).await?;
            } else {
                tx.insert_resource_server(&wanted).await?;
            }
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, wanted.id.as_str(), now);
            Ok(())
        })
    });
    match written.await {
        // Another node was first.
        Err(ChangeError::Store(StoreError::UniqueViolation)) => {
            app.resync().await.map_err(|error| StoreError::not_applied(error).into())
        }
        other => other,
    }
}

fn describe(app: &App, authorization_server_id: AuthorizationServerId) -> Result<ResourceServer, ChangeError> {
    let base = app.bases.first().ok_or_else(|| ChangeError::State("the instance has no base URL".to_owned()))?;
    let audience = format!("{base}/manage/v1");
    let now = app.clock.now();
    let scope = |right: &Right| {
        let scope = ScopeToken::try_from(right.scope()).map_err(|_| InvalidField::new("scope", right.scope(), "a scope token"))?;
        Ok(ScopeDefinition { scope, description: right.description().to_owned() })
    };
    Ok(ResourceServer {
        id: resource_server_id(),
        authorization_server_id,
        audience: Audience::try_from(audience.as_str()).map_err(|_| InvalidField::new("audience", &audience, "an audience"))?,
        name: "Management API".to_owned(),
        profile: Profile::Rfc9068,
        signing_alg: None,
        token_format: TokenFormat::Jwt,
        reuse_live_tokens: false,
        token_lifetime_seconds: TOKEN_LIFETIME_SECONDS,
        scopes: Right::ALL.iter().map(scope).collect::<Result<_, InvalidField>>()?,
        version: 1,
        created_at: now,
        updated_at: now,
    })
}
