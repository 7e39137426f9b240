//! Changes that are acknowledged while a token waits for its signature; catalogue 51.

use std::task::{Context, Waker};

use countersign::api_keys::{self, ApiKeyPatch, NewApiKey, Permission, VerifyRequest};
use countersign::audit::Actor;
use countersign::authorization_servers;
use countersign::clients::{self, ClientGrant, ClientGrantPatch};
use countersign::config::{BaseUrl, Network};
use countersign::ids::ApiKeyId;
use countersign::oauth::{self, TokenError};
use countersign::resource_servers::{self, NewResourceServer, ResourceServer, ResourceServerPatch};
use countersign::source_address::SourceAddress;
use countersign_protocol::jose::Algorithm;
use countersign_protocol::{API_KEY_TOKEN_TYPE, GrantType, Parameters, Secret, TokenResponse};

use super::ENGINE;
use crate::support::{Fixture, RemoteSigners, Service, Setup, TestApp, TestClient, api, issuer_id, scope};

const AUDIENCE: &str = "https://held.test";

/// An application whose keys are held elsewhere, and an API that both clients may use.
struct Held {
    app: TestApp,
    a: TestClient,
    b: TestClient,
    api: ResourceServer,
    signers: RemoteSigners,
    /// The base URL whose root mount is asked.
    base: BaseUrl,
}

impl Held {
    async fn start() -> Self {
        Self::start_at("default", "https://as.test").await
    }

    async fn start_at(server: &str, base: &str) -> Self {
        let signers = RemoteSigners::new();
        let bases = &["https://as.test", "https://partner.test"];
        let Fixture { app, a, b, .. } =
            Fixture::start_with(ENGINE, Setup { signers: Some(signers.clone()), bases, ..Setup::default() }).await;
        if server != "default" {
            app.authorization_server(server, Algorithm::RS256, None).await;
            authorization_servers::mount_at_host(&app.app, &by(), &issuer_id(server), base, None).await.unwrap();
        }
        let api = NewResourceServer {
            authorization_server_id: issuer_id(server),
            signing_alg: Some(Algorithm::RS256),
            ..api(AUDIENCE, "list:users edit:users")
        };
        let api = app.resource_server(api).await;
        for client in [&a, &b] {
            app.grant(client, &api, "list:users edit:users").await;
            // From now on in memory: authenticating does not wait.
            app.app.find_client(&client.id).await.unwrap();
        }
        Self { app, a, b, api, signers, base: BaseUrl::from_text(base).unwrap() }
    }

    async fn grant_of_a(&self) -> ClientGrant {
        let client = self.app.app.find_client(&self.a.id).await.unwrap().unwrap();
        client.grants.iter().find(|grant| grant.resource_server_id == self.api.id).unwrap().clone()
    }

    /// What comes of a request of `a` that was authenticated, and waits for its
    /// signature, when `change` was acknowledged.
    async fn overtaken_by(&self, form: &str, change: impl AsyncFnOnce(&Self)) -> Result<TokenResponse, TokenError> {
        let TestClient { id, secret, .. } = &self.a;
        let form = format!("grant_type=client_credentials&audience={AUDIENCE}&client_id={id}&client_secret={secret}&{form}");
        self.asked_and_overtaken_by(&form, change).await
    }

    /// The same of an exchange of a key of `a` for the API.
    async fn exchange_overtaken_by(&self, change: impl AsyncFnOnce(&Self, &ApiKeyId)) -> Result<TokenResponse, TokenError> {
        let new = NewApiKey::named("k", self.a.id.clone(), self.api.id.clone());
        let new = NewApiKey { permissions: vec![Permission::parse("*").unwrap()], ..new };
        let made = api_keys::create(&self.app.app, &by(), new).await.unwrap();
        // From now on in memory: the key does not wait.
        api_keys::verify(&self.app.app, VerifyRequest::of(Secret::new(made.text.expose().clone()))).await.unwrap();
        let (grant, text) = (GrantType::TokenExchange.as_str(), made.text.expose());
        let form = format!("grant_type={grant}&subject_token_type={API_KEY_TOKEN_TYPE}&subject_token={text}");
        self.asked_and_overtaken_by(&form, async |held: &Self| change(held, &made.key.id).await).await
    }

    async fn asked_and_overtaken_by(&self, form: &str, change: impl AsyncFnOnce(&Self)) -> Result<TokenResponse, TokenError> {
        let parameters = Parameters::from_form(form.as_bytes()).unwrap();
        let mount = self.app.app.catalog().mount(&self.base, "/").unwrap();
        self.signers.set(Service::Holds);
        let mut context = Context::from_waker(Waker::noop());
        let mut asking = std::pin::pin!(oauth::token(&self.app.app, &mount, SourceAddress::NONE, [], &parameters));
        assert!(asking.as_mut().poll(&mut context).is_pending());
        change(self).await;
        self.signers.set(Service::Answers);
        asking.await.1
    }

    async fn narrow(&self) {
        let patch = ClientGrantPatch { scope: Some(scope("list:users")), ..ClientGrantPatch::default() };
        let grant = self.grant_of_a().await;
        clients::update_grant(&self.app.app, &by(), (&self.a.id, &grant.id), patch, None).await.unwrap();
    }
}

fn by() -> Actor {
    Actor::command_line()
}

#[tokio::test]
async fn a_change_that_leaves_the_decision_as_it_was_costs_no_second_signature() {
    let held = Held::start().await;
    let asked = held.signers.asked();
    let second_secret = async |held: &Held| {
        clients::create_secret(&held.app.app, &by(), &held.a.id, "second").await.unwrap();
    };
    held.overtaken_by("", second_secret).await.unwrap();
    let change_of_another = async |held: &Held| clients::disable(&held.app.app, &by(), &held.b.id).await.unwrap();
    held.overtaken_by("", change_of_another).await.unwrap();
    assert_eq!(held.signers.asked(), asked + 2);
}

#[tokio::test]
async fn c51_no_token_leaves_after_its_credential_was_revoked() {
    let held = Held::start().await;
    let revoke = async |held: &Held| {
        clients::revoke_credential(&held.app.app, &by(), &held.a.id, &held.a.credential_id).await.unwrap();
    };
    let refused = held.overtaken_by("", revoke).await;
    assert!(matches!(refused, Err(TokenError::ClientAuth(_))), "{refused:?}");
}

#[tokio::test]
async fn c51_no_token_leaves_after_its_client_was_disabled() {
    let held = Held::start().await;
    let refused = held.overtaken_by("", async |held| clients::disable(&held.app.app, &by(), &held.a.id).await.unwrap()).await;
    assert!(matches!(refused, Err(TokenError::ClientAuth(_))), "{refused:?}");
}

#[tokio::test]
async fn c51_no_token_leaves_after_its_grant_was_taken_back() {
    let held = Held::start().await;
    let take_back = async |held: &Held| {
        let grant = held.grant_of_a().await;
        clients::delete_grant(&held.app.app, &by(), (&held.a.id, &grant.id), None).await.unwrap();
    };
    let refused = held.overtaken_by("", take_back).await;
    assert!(matches!(refused, Err(TokenError::ClientCredentials(_))), "{refused:?}");
}

#[tokio::test]
async fn c51_no_token_leaves_with_a_scope_that_was_taken_back() {
    let held = Held::start().await;
    assert_eq!(held.overtaken_by("", Held::narrow).await.unwrap().scope, "list:users");
    let held = Held::start().await;
    let refused = held.overtaken_by("scope=edit:users", Held::narrow).await;
    assert!(matches!(refused, Err(TokenError::ClientCredentials(_))), "{refused:?}");
}

#[tokio::test]
async fn c51_no_token_leaves_with_a_lifetime_that_was_shortened() {
    let held = Held::start().await;
    let shorten = async |held: &Held| {
        let patch = ResourceServerPatch { token_lifetime_seconds: Some(120), ..ResourceServerPatch::default() };
        resource_servers::update(&held.app.app, &by(), &held.api.id, patch, None).await.unwrap();
    };
    assert_eq!(held.overtaken_by("", shorten).await.unwrap().expires_in, 120);
}

#[tokio::test]
async fn c51_no_token_leaves_after_its_issuer_was_unmounted() {
    let held = Held::start_at("second", "https://partner.test").await;
    held.overtaken_by("", async |_| {}).await.unwrap();
    let unmount = async |held: &Held| {
        authorization_servers::unmount(&held.app.app, &by(), &issuer_id("second"), "https://partner.test").await.unwrap();
    };
    // The root mount of `default` is there instead, which does not know the audience.
    let refused = held.overtaken_by("", unmount).await;
    assert!(matches!(refused, Err(TokenError::ClientCredentials(_))), "{refused:?}");
}

#[tokio::test]
async fn c51_no_token_leaves_after_its_api_key_was_disabled_or_bound_to_a_network() {
    let held = Held::start().await;
    held.exchange_overtaken_by(async |_, _| {}).await.unwrap();
    let disable = async |held: &Held, id: &ApiKeyId| api_keys::disable(&held.app.app, &by(), id).await.unwrap();
    let bind = async |held: &Held, id: &ApiKeyId| {
        let networks = vec![Network::host("192.0.2.7".parse().unwrap())];
        let patch = ApiKeyPatch { allowed_networks: Some(networks), ..ApiKeyPatch::default() };
        api_keys::update(&held.app.app, &by(), id, patch, None).await.unwrap();
    };
    let refused = held.exchange_overtaken_by(disable).await;
    assert!(matches!(refused, Err(TokenError::KeyAuth(_))), "{refused:?}");
    let refused = held.exchange_overtaken_by(bind).await;
    assert!(matches!(refused, Err(TokenError::KeyAuth(_))), "{refused:?}");
}

#[tokio::test]
async fn c51_no_token_leaves_with_a_permission_that_its_api_key_has_lost() {
    let held = Held::start().await;
    let less = async |held: &Held, id: &ApiKeyId| {
        let patch = ApiKeyPatch { permissions: Some(vec![Permission::parse("list:*").unwrap()]), ..ApiKeyPatch::default() };
        api_keys::update(&held.app.app, &by(), id, patch, None).await.unwrap();
    };
    assert_eq!(held.exchange_overtaken_by(less).await.unwrap().scope, "list:users");
    let narrow = async |held: &Held, _: &ApiKeyId| held.narrow().await;
    assert_eq!(held.exchange_overtaken_by(narrow).await.unwrap().scope, "list:users");
}
