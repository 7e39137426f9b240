//! API keys that are exchanged for access tokens (RFC 8693).

use countersign::api_keys::{self, CreatedApiKey, NewApiKey, Permission};
use countersign::config::Network;
use countersign::resource_servers::{NewResourceServer, TokenFormat};
use countersign_protocol::API_KEY_TOKEN_TYPE;

use super::ENGINE;
use crate::support::{API1, Answer, Fixture, Request, Setup, TestApp, TestClient, api, by};

mod attacks;
mod life;
mod token;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// Opaque tokens: what is revoked shows at once.
const OPAQUE: &str = "https://opaque.test";
/// Where requests come from unless a test says otherwise.
const SOURCE: &str = "198.51.100.1";

struct World {
    app: TestApp,
    a: TestClient,
    b: TestClient,
    /// May introspect tokens for [`OPAQUE`].
    asks: TestClient,
}

impl World {
    async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    async fn start_with(setup: Setup) -> Self {
        let Fixture { app, a, b, .. } = Fixture::start_with(ENGINE, setup).await;
        let opaque = NewResourceServer { token_format: TokenFormat::Opaque, ..api(OPAQUE, "list:users edit") };
        let opaque = app.resource_server(opaque).await;
        app.grant(&a, &opaque, "list:users edit").await;
        let asks = app.introspection_client(OPAQUE).await;
        Self { app, a, b, asks }
    }

    /// A key of client A for [`API1`] that may do all that A may.
    async fn key(&self) -> CreatedApiKey {
        self.key_for(API1, |new| new).await
    }

    async fn key_for(&self, audience: &str, change: impl FnOnce(NewApiKey) -> NewApiKey) -> CreatedApiKey {
        let new = NewApiKey::named("a key", self.a.id.clone(), self.app.api(audience).id.clone());
        let new = NewApiKey { permissions: permissions("list:users read:x edit"), ..new };
        api_keys::create(&self.app.app, &by(), change(new)).await.unwrap()
    }

    async fn exchange(&self, key: &CreatedApiKey) -> Answer {
        self.exchange_text(key.text.expose(), "").await
    }

    async fn exchange_text(&self, text: &str, more: &str) -> Answer {
        request(&self.app, "/oauth/token", text, more).send().await
    }

    async fn is_active(&self, answer: &Answer) -> bool {
        self.app.is_active(&self.asks, answer.json()["access_token"].as_str().unwrap()).await
    }
}

fn form(text: &str, more: &str) -> String {
    format!("grant_type={GRANT}&subject_token_type={API_KEY_TOKEN_TYPE}&subject_token={text}&{more}")
}

fn request(app: &TestApp, path: &str, text: &str, more: &str) -> Request {
    app.post(path).form(form(text, more))
}

fn permissions(text: &str) -> Vec<Permission> {
    text.split_whitespace().map(|name| Permission::parse(name).unwrap()).collect()
}

fn network(text: &str) -> Network {
    Network::host(text.parse().unwrap())
}
