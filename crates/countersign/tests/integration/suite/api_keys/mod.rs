//! API keys: their life, and what is said of those that are presented.

use std::sync::Arc;

use countersign::api_keys::{self, ApiKey, CreatedApiKey, NewApiKey, Permission, Verdict, VerdictCode, VerifyRequest};
use countersign::audit::Actor;
use countersign::ids::ResourceServerId;
use countersign_protocol::Secret;

use super::ENGINE;
use crate::support::{API1, Fixture, TestApp, TestClient, issuer_id};

mod changes;
mod counting;
mod memory;
mod roles;
mod verdict;

const BY: Actor = Actor::command_line();

fn api1(app: &TestApp) -> ResourceServerId {
    let catalog = app.app.catalog();
    let server = catalog.authorization_server(&issuer_id("default")).unwrap();
    server.find_audience(API1).unwrap().id.clone()
}

fn permissions(text: &str) -> Vec<Permission> {
    text.split_whitespace().map(|name| Permission::parse(name).unwrap()).collect()
}

/// What a test asks for unless it says otherwise.
fn new_key(app: &TestApp, client: &TestClient) -> NewApiKey {
    let new = NewApiKey::named("a key", client.id.clone(), api1(app));
    NewApiKey { prefix: Some("acme_live".to_owned()), permissions: permissions("list:users read:x"), ..new }
}

async fn create(app: &TestApp, client: &TestClient) -> CreatedApiKey {
    api_keys::create(&app.app, &BY, new_key(app, client)).await.unwrap()
}

fn presented(text: &str) -> VerifyRequest {
    VerifyRequest::of(Secret::new(text.to_owned()))
}

async fn verdict(app: &TestApp, text: &str) -> Verdict {
    api_keys::verify(&app.app, presented(text)).await.unwrap()
}

async fn code(app: &TestApp, text: &str) -> VerdictCode {
    verdict(app, text).await.code
}

async fn find(app: &TestApp, key: &ApiKey) -> ApiKey {
    api_keys::find(&app.app, &key.id).await.unwrap()
}

/// The only secret of a new key, as text.
fn text_of(created: &CreatedApiKey) -> String {
    created.text.expose().clone()
}

async fn started() -> (TestApp, TestClient, CreatedApiKey) {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let created = create(&app, &a).await;
    (app, a, created)
}

fn same(verdict: &Verdict, key: &ApiKey) -> bool {
    verdict.key.as_ref().map(Arc::clone).is_some_and(|found| found.id == key.id)
}
