//! Objects that exist already, or that others need and are not there.

use std::sync::Arc;

use countersign::audit::Actor;
use countersign::authorization_servers::{self, NewAuthorizationServer};
use countersign::change::ChangeError;
use countersign::clients::{self, NewClient, NewClientGrant};
use countersign::ids::{CredentialId, ResourceServerId};
use countersign::resource_servers;
use countersign_protocol::jose::Algorithm;
use countersign_protocol::{ClientAuthMethod, ClientId, CredentialText, ErrorCode};

use super::ENGINE;
use crate::support::{API1, Fixture, api, issuer_id, scope};

#[tokio::test]
async fn what_exists_already_is_said_by_kind_and_name() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let app = &app.app;
    let head = feed_head(app).await;
    let new = NewAuthorizationServer {
        id: issuer_id("default"),
        name: "again".to_owned(),
        signing_alg: Algorithm::ES256,
        status_lists: false,
        default_audience: None,
    };
    let server = authorization_servers::create(app, &Actor::command_line(), new).await.unwrap_err();
    let resource_server = resource_servers::create(app, &Actor::command_line(), api(API1, "other")).await.unwrap_err();
    let auth_method = ClientAuthMethod::ClientSecretBasic;
    let new = NewClient {
        id: Some(a.id.clone()),
        name: "again".to_owned(),
        auth_method,
        auth_method_enforced: false,
        ..NewClient::named("")
    };
    let client = clients::create(app, &Actor::command_line(), new).await.unwrap_err();
    let api1 = granted_api(app, &a.id).await;
    let new = NewClientGrant {
        client_id: a.id.clone(),
        resource_server_id: api1.clone(),
        scope: scope("read:x"),
        token_lifetime_seconds: None,
    };
    let grant = clients::grant(app, &Actor::command_line(), new).await.unwrap_err();
    for (error, message) in [
        (server, "authorization server `default` exists already".to_owned()),
        (resource_server, format!("resource server `{API1}` exists already")),
        (client, "client `client-a` exists already".to_owned()),
        (grant, format!("grant `client-a -> {api1}` exists already")),
    ] {
        assert!(matches!(error, ChangeError::AlreadyExists { .. }));
        assert_eq!(error.to_string(), message);
    }
    // None of them left anything, the announcement to the other nodes included.
    assert_eq!(feed_head(app).await, head);
}

#[tokio::test]
async fn what_is_needed_and_not_there_is_said_by_kind_and_name() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let app = &app.app;
    let unknown = ClientId::try_from("unknown-client").unwrap();
    let api1 = granted_api(app, &a.id).await;
    let grant = |client_id: &ClientId, resource_server_id: &ResourceServerId| NewClientGrant {
        client_id: client_id.clone(),
        resource_server_id: resource_server_id.clone(),
        scope: scope(""),
        token_lifetime_seconds: None,
    };
    let mut lost = api("https://lost.test", "s");
    lost.authorization_server_id = issuer_id("unknown");
    let nowhere = ResourceServerId::from_stored("rs_unknown");
    let nothing = CredentialId::from_stored("cred_unknown");
    clients::revoke_credential(app, &Actor::command_line(), &a.id, &a.credential_id).await.unwrap();
    let refusals = [
        (resource_servers::create(app, &Actor::command_line(), lost).await.map(drop), "authorization server", "unknown"),
        (clients::grant(app, &Actor::command_line(), grant(&unknown, &api1)).await.map(drop), "client", "unknown-client"),
        (clients::grant(app, &Actor::command_line(), grant(&b.id, &nowhere)).await.map(drop), "resource server", "rs_unknown"),
        (clients::create_secret(app, &Actor::command_line(), &unknown, "x").await.map(drop), "client", "unknown-client"),
        (clients::disable(app, &Actor::command_line(), &unknown).await, "client", "unknown-client"),
        (clients::enable(app, &Actor::command_line(), &unknown).await, "client", "unknown-client"),
        (clients::revoke_credential(app, &Actor::command_line(), &a.id, &nothing).await, "credential", "cred_unknown"),
        // Of another client.
        (
            clients::revoke_credential(app, &Actor::command_line(), &a.id, &b.credential_id).await,
            "credential",
            b.credential_id.as_str(),
        ),
    ];
    for (refused, kind, id) in refusals {
        let error = refused.unwrap_err();
        assert!(matches!(error, ChangeError::NotFound { .. }), "{error}");
        assert_eq!(error.to_string(), format!("there is no {kind} `{id}`"));
    }
}

#[tokio::test]
async fn disabling_and_enabling_twice_changes_nothing() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    clients::disable(&app.app, &Actor::command_line(), &a.id).await.unwrap();
    let disabled_at = app.app.find_client(&a.id).await.unwrap().unwrap().disabled_at;
    assert!(disabled_at.is_some());
    app.clock.advance_seconds(10);
    clients::disable(&app.app, &Actor::command_line(), &a.id).await.unwrap();
    assert_eq!(app.app.find_client(&a.id).await.unwrap().unwrap().disabled_at, disabled_at);
    app.ask(&a, "").await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    for _ in 0..2 {
        clients::enable(&app.app, &Actor::command_line(), &a.id).await.unwrap();
        app.ask(&a, "").await.token();
    }
}

#[tokio::test]
async fn a_client_that_brings_no_id_gets_one_and_a_secret_of_our_form() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let auth_method = ClientAuthMethod::ClientSecretPost;
    let new = NewClient { id: None, name: "unnamed".to_owned(), auth_method, auth_method_enforced: false, ..NewClient::named("") };
    let created = clients::create(&app.app, &Actor::command_line(), new).await.unwrap();
    let id = created.client.id.as_str();
    assert!(id.starts_with("cli_") && id.len() == 30, "{id}");
    let secret = created.secret.text.expose();
    assert!(secret.starts_with("csec_") && secret.len() == 66);
    assert_eq!(CredentialText::parse(secret).unwrap().id(), created.secret.text.id());
    assert!(!format!("{created:?}").contains(&secret[20..]), "Debug shows the secret");
    let found = app.app.find_client(&created.client.id).await.unwrap().unwrap();
    assert_eq!((found.auth_method, found.auth_method_enforced, found.name.as_str()), (auth_method, false, "unnamed"));
}

#[tokio::test]
async fn two_resource_servers_that_bring_the_same_new_algorithm_are_both_created() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let by = Actor::command_line();
    let with_keys = |audience: &str| {
        let mut new = api(audience, "s");
        new.signing_alg = Some(Algorithm::EdDSA);
        resource_servers::create(&app.app, &by, new)
    };
    let (one, two) = tokio::join!(with_keys("https://one.test"), with_keys("https://two.test"));
    for resource_server in [one.unwrap(), two.unwrap()] {
        app.grant(&a, &resource_server, "s").await;
        let token = app.ask(&a, &format!("audience={}", resource_server.audience)).await.token();
        assert_eq!(token.alg(), "EdDSA");
        assert!(token.verifies_with(&app.key_set("/.well-known/jwks.json").await));
    }
    assert_eq!(app.database.count("SELECT count(*) FROM signing_keys WHERE alg = 'EdDSA'").await, 2);
}

async fn feed_head(app: &Arc<countersign::app::App>) -> i64 {
    app.store.read(|session| Box::pin(async move { session.feed_head().await })).await.unwrap()
}

async fn granted_api(app: &Arc<countersign::app::App>, client: &ClientId) -> ResourceServerId {
    app.find_client(client).await.unwrap().unwrap().grants[0].resource_server_id.clone()
}
