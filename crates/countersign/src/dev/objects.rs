//! The demo objects.

use std::sync::Arc;

use anyhow::Context as _;
use countersign_protocol::jose::Algorithm;
use countersign_protocol::{Audience, ClientAuthMethod, ClientId, Scope, ScopeToken, Secret};

use super::root_key;
use crate::app::App;
use crate::audit::Actor;
use crate::authorization_servers::{self, NewAuthorizationServer};
use crate::clients::{self, Client, CredentialKind, NewClient, NewClientGrant};
use crate::ids::AuthorizationServerId;
use crate::management::{self, Right};
use crate::resource_servers::{
    self, DEFAULT_TOKEN_LIFETIME_SECONDS, NewResourceServer, Profile, ResourceServer, ScopeDefinition, TokenFormat,
};

/// Who makes the demo objects.
pub(super) const BY: Actor = Actor::system("dev");
/// The demo API.
pub(super) const AUDIENCE: &str = "http://api.localhost";
/// An API in the shape that Okta's tutorials use.
pub(super) const OKTA_AUDIENCE: &str = "api://default";
/// The demo client.
pub(super) const CLIENT_ID: &str = "demo-client";
/// The operator.
pub(super) const OPERATOR_ID: &str = "dev-operator";
/// What the demo API follows the status feed with.
pub(super) const STATUS_CLIENT_ID: &str = "demo-api";
/// Lets a client read the list.
pub(super) const LIST_USERS: &str = "list:users";
/// Lets a client read one entry.
pub(super) const READ_USERS: &str = "read:users";

/// What the env file needs to know.
pub(super) struct DemoObjects {
    pub(super) client_secret: Secret<String>,
    pub(super) operator_secret: Secret<String>,
    pub(super) root_key: Secret<String>,
    pub(super) status_secret: Secret<String>,
}

/// Makes whatever is missing. A secret that was lost is replaced.
pub(super) async fn ensure(
    app: &App,
    known_secret: Option<&str>,
    known_operator_secret: Option<&str>,
    known_root_key: Option<&str>,
    known_status_secret: Option<&str>,
) -> anyhow::Result<DemoObjects> {
    let server = AuthorizationServerId::default_server();
    if app.catalog().authorization_server(&server).is_none() {
        let new = NewAuthorizationServer {
            id: server.clone(),
            name: "default".to_owned(),
            signing_alg: Algorithm::RS256,
            status_lists: true,
            default_audience: Some(Audience::try_from(OKTA_AUDIENCE)?),
        };
        authorization_servers::create(app, &BY, new).await?;
    }
    management::ensure_resource_server(app).await?;
    let demo = ensure_resource_server(app, &server, AUDIENCE, "Demo API", Profile::Rfc9068).await?;
    let okta = ensure_resource_server(app, &server, OKTA_AUDIENCE, "Default API", Profile::Okta).await?;
    let client_id = ClientId::try_from(CLIENT_ID)?;
    let client_secret = match app.find_client(&client_id).await? {
        None => create_client(app, &client_id, "Demo client").await?,
        Some(client) => match known_secret.filter(|secret| is_live_secret(app, &client, secret)) {
            Some(secret) => Secret::new(secret.to_owned()),
            None => replace_secret(app, &client).await?,
        },
    };
    let client = app.find_client(&client_id).await?.context("the demo client is gone")?;
    for resource_server in [demo, okta] {
        if !client.grants.iter().any(|grant| grant.resource_server_id == resource_server.id) {
            let scope = Scope::from_tokens([LIST_USERS, READ_USERS])?;
            let new = NewClientGrant {
                client_id: client_id.clone(),
                resource_server_id: resource_server.id.clone(),
                scope,
                token_lifetime_seconds: None,
            };
            clients::grant(app, &BY, new).await?;
        }
    }
    let operator_secret = ensure_operator(app, known_operator_secret).await?;
    let root_key = root_key::ensure(app, &ClientId::try_from(OPERATOR_ID)?, known_root_key).await?;
    let status_secret = ensure_status_client(app, known_status_secret).await?;
    Ok(DemoObjects { client_secret, operator_secret, root_key, status_secret })
}

/// What the demo API follows the status feed with.
async fn ensure_status_client(app: &App, known_secret: Option<&str>) -> anyhow::Result<Secret<String>> {
    let id = ClientId::try_from(STATUS_CLIENT_ID)?;
    if let Some(client) = app.find_client(&id).await? {
        return match known_secret.filter(|secret| is_live_secret(app, &client, secret)) {
            Some(secret) => Ok(Secret::new(secret.to_owned())),
            None => replace_secret(app, &client).await,
        };
    }
    let secret = create_client(app, &id, "Demo API").await?;
    let new = NewClientGrant {
        client_id: id,
        resource_server_id: management::resource_server_id(),
        scope: Scope::from_tokens([Right::StatusRead.scope()])?,
        token_lifetime_seconds: None,
    };
    clients::grant(app, &BY, new).await?;
    Ok(secret)
}

async fn ensure_operator(app: &App, known_secret: Option<&str>) -> anyhow::Result<Secret<String>> {
    let id = ClientId::try_from(OPERATOR_ID)?;
    match app.find_client(&id).await? {
        None => {
            let created = management::create_operator(app, &BY, Some(id), "Operator").await?;
            Ok(Secret::new(created.secret.text.expose().clone()))
        }
        Some(client) => match known_secret.filter(|secret| is_live_secret(app, &client, secret)) {
            Some(secret) => Ok(Secret::new(secret.to_owned())),
            None => replace_secret(app, &client).await,
        },
    }
}

async fn ensure_resource_server(
    app: &App,
    server: &AuthorizationServerId,
    audience: &str,
    name: &str,
    profile: Profile,
) -> anyhow::Result<Arc<ResourceServer>> {
    let found = |app: &App| app.catalog().resource_servers().find(|found| found.audience.as_str() == audience).cloned();
    if let Some(existing) = found(app) {
        return Ok(existing);
    }
    let scope = |token, description: &str| {
        anyhow::Ok(ScopeDefinition { scope: ScopeToken::try_from(token)?, description: description.to_owned() })
    };
    let new = NewResourceServer {
        authorization_server_id: server.clone(),
        audience: Audience::try_from(audience)?,
        name: name.to_owned(),
        profile,
        signing_alg: None,
        token_format: TokenFormat::Jwt,
        reuse_live_tokens: false,
        token_lifetime_seconds: DEFAULT_TOKEN_LIFETIME_SECONDS,
        scopes: vec![scope(LIST_USERS, "List users")?, scope(READ_USERS, "Read one user")?],
    };
    resource_servers::create(app, &BY, new).await?;
    found(app).context("the new resource server is not in the catalog")
}

async fn create_client(app: &App, id: &ClientId, name: &str) -> anyhow::Result<Secret<String>> {
    let new = NewClient {
        id: Some(id.clone()),
        name: name.to_owned(),
        auth_method: ClientAuthMethod::ClientSecretBasic,
        auth_method_enforced: false,
        ..NewClient::named("")
    };
    let created = clients::create(app, &BY, new).await?;
    Ok(Secret::new(created.secret.text.expose().clone()))
}

fn is_live_secret(app: &App, client: &Client, secret: &str) -> bool {
    let catalog = app.catalog();
    let now = app.clock.now();
    client.credentials.iter().filter(|credential| credential.is_live(now)).any(|credential| match &credential.kind {
        CredentialKind::Secret { hash_key_id, hash } => {
            catalog.hashers.find(hash_key_id).is_some_and(|hasher| hasher.hash(secret).equals(hash))
        }
        CredentialKind::Keys(_) | CredentialKind::JwksUri(_) => false,
    })
}

/// Nobody knows the old secrets any more.
async fn replace_secret(app: &App, client: &Client) -> anyhow::Result<Secret<String>> {
    let created = clients::create_secret(app, &BY, &client.id, "replaced").await?;
    for lost in client.credentials.iter().filter(|credential| credential.revoked_at.is_none()) {
        clients::revoke_credential(app, &BY, &client.id, &lost.id).await?;
    }
    Ok(Secret::new(created.text.expose().clone()))
}
