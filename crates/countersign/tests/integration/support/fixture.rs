//! The objects of the attack catalogue: an authorization server, two APIs, three clients.

use countersign::audit::Actor;
use countersign::authorization_servers::{self, NewAuthorizationServer};
use countersign::clients::{self, NewClient, NewClientGrant};
use countersign::ids::{AuthorizationServerId, CredentialId};
use countersign::resource_servers::{self, NewResourceServer, Profile, ResourceServer, ScopeDefinition, TokenFormat};
use countersign_protocol::jose::Algorithm;
use countersign_protocol::{Audience, ClientAuthMethod, ClientId, Scope, ScopeToken};

use super::{Answer, Engine, Request, Setup, TestApp};

pub(crate) const API1: &str = "https://api1.test";
pub(crate) const API2: &str = "https://api2.test";

/// A resource server, as most tests need it.
pub(crate) type Api = NewResourceServer;

/// A client as its owner knows it.
#[derive(Clone, Debug)]
pub(crate) struct TestClient {
    pub(crate) id: ClientId,
    pub(crate) secret: String,
    pub(crate) credential_id: CredentialId,
}

/// The authorization server `default`, signing with ES256, and what hangs on it.
pub(crate) struct Fixture {
    pub(crate) app: TestApp,
    /// Granted `list:users read:x` at api1, nothing at api2.
    pub(crate) a: TestClient,
    /// Granted `list:users` at api1 and `write:y` at api2.
    pub(crate) b: TestClient,
    /// Granted as A, and disabled.
    pub(crate) z: TestClient,
}

impl Fixture {
    pub(crate) async fn start(engine: Engine) -> Self {
        Self::start_with(engine, Setup::default()).await
    }

    pub(crate) async fn start_with(engine: Engine, setup: Setup) -> Self {
        let app = TestApp::start_with(engine, setup).await;
        app.authorization_server("default", Algorithm::ES256, None).await;
        let api1 = app.resource_server(api(API1, "list:users read:x")).await;
        let api2 = app.resource_server(api(API2, "write:y")).await;
        let (a, b, z) = (app.client("client-a").await, app.client("client-b").await, app.client("client-z").await);
        app.grant(&a, &api1, "list:users read:x").await;
        app.grant(&b, &api1, "list:users").await;
        app.grant(&b, &api2, "write:y").await;
        app.grant(&z, &api1, "list:users read:x").await;
        clients::disable(&app.app, &Actor::command_line(), &z.id).await.unwrap();
        Self { app, a, b, z }
    }
}

/// An API on `default` with these scopes.
pub(crate) fn api(audience: &str, scopes: &str) -> Api {
    let definition = |token: &str| ScopeDefinition { scope: ScopeToken::try_from(token).unwrap(), description: String::new() };
    NewResourceServer {
        authorization_server_id: issuer_id("default"),
        audience: Audience::try_from(audience).unwrap(),
        name: audience.to_owned(),
        profile: Profile::Rfc9068,
        signing_alg: None,
        token_format: TokenFormat::Jwt,
        reuse_live_tokens: false,
        token_lifetime_seconds: resource_servers::DEFAULT_TOKEN_LIFETIME_SECONDS,
        scopes: scopes.split_whitespace().map(definition).collect(),
    }
}

pub(crate) fn issuer_id(id: &str) -> AuthorizationServerId {
    AuthorizationServerId::parse(id).unwrap()
}

pub(crate) fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

impl TestApp {
    pub(crate) async fn authorization_server(&self, id: &str, signing_alg: Algorithm, default_audience: Option<&str>) {
        let default_audience = default_audience.map(|audience| Audience::try_from(audience).unwrap());
        let new =
            NewAuthorizationServer { id: issuer_id(id), name: id.to_owned(), signing_alg, status_lists: false, default_audience };
        authorization_servers::create(&self.app, &Actor::command_line(), new).await.unwrap();
    }

    pub(crate) async fn resource_server(&self, new: Api) -> ResourceServer {
        resource_servers::create(&self.app, &Actor::command_line(), new).await.unwrap()
    }

    pub(crate) async fn client(&self, id: &str) -> TestClient {
        self.client_pinned_to(id, ClientAuthMethod::ClientSecretBasic, false).await
    }

    pub(crate) async fn client_pinned_to(&self, id: &str, auth_method: ClientAuthMethod, enforced: bool) -> TestClient {
        let id = ClientId::try_from(id).unwrap();
        let new = NewClient {
            id: Some(id.clone()),
            name: id.to_string(),
            auth_method,
            auth_method_enforced: enforced,
            ..NewClient::named("")
        };
        let created = clients::create(&self.app, &Actor::command_line(), new).await.unwrap();
        TestClient { id, secret: created.secret.text.expose().clone(), credential_id: created.secret.credential.id }
    }

    pub(crate) async fn grant(&self, client: &TestClient, api: &ResourceServer, scopes: &str) {
        self.grant_for(client, api, scopes, None).await;
    }

    pub(crate) async fn grant_for(&self, client: &TestClient, api: &ResourceServer, scopes: &str, lifetime: Option<i64>) {
        let new = NewClientGrant {
            client_id: client.id.clone(),
            resource_server_id: api.id.clone(),
            scope: scope(scopes),
            token_lifetime_seconds: lifetime,
        };
        clients::grant(&self.app, &Actor::command_line(), new).await.unwrap();
    }

    /// A token request at `path`, authenticated in the header.
    pub(crate) fn token_request(&self, path: &str, client: &TestClient, form: &str) -> Request {
        self.post(path).basic(client.id.as_str(), &client.secret).form(form.to_owned())
    }

    /// Asks the root mount for a token by client credentials, with further parameters.
    pub(crate) async fn ask(&self, client: &TestClient, parameters: &str) -> Answer {
        self.token_request("/oauth/token", client, &format!("grant_type=client_credentials&{parameters}")).send().await
    }
}
