//! The life of a key.

use countersign::api_keys::{self, ApiKeyFilter, ApiKeyPatch, ApiKeyState, NewApiKey, Use, VerdictCode, VerifyRequest};
use countersign::audit::Actor;
use countersign::change::ChangeError;
use countersign::clients;
use countersign::jobs;
use countersign::management::resource_server_id;
use countersign::resource_servers;
use countersign::store::Page;
use countersign_protocol::Clock as _;

use super::{BY, ENGINE, api1, code, create, find, new_key, permissions, started, text_of};
use crate::support::{CapturedLog, Fixture, Managed, TestApp};

#[tokio::test]
async fn an_old_secret_that_is_still_used_is_told_of_once_an_hour_and_the_new_one_is_not() {
    let (app, _, created) = started().await;
    app.clock.advance_millis(1);
    let rotated = api_keys::rotate(&app.app, &BY, &created.key.id, 86_400).await.unwrap();
    let (old, new) = (text_of(&created), rotated.text.expose().clone());
    let log = CapturedLog::start();
    let told = || {
        let is_it =
            |line: &&serde_json::Value| line["message"].as_str().is_some_and(|text| text.contains("former secret is still used"));
        log.records().iter().filter(is_it).cloned().collect::<Vec<_>>()
    };
    code(&app, &new).await;
    assert_eq!(told(), Vec::<serde_json::Value>::new());
    for _ in 0..3 {
        assert_eq!(code(&app, &old).await, VerdictCode::Valid);
    }
    assert_eq!(told().len(), 1);
    let line = &told()[0];
    assert_eq!(
        (&line["key_id"], &line["secret_id"]),
        (&created.key.id.as_str().into(), &created.key.secrets[0].id.as_str().into())
    );
    app.clock.advance_seconds(3_600);
    code(&app, &old).await;
    assert_eq!(told().len(), 2);
}

#[tokio::test]
async fn j155_a_rotated_secret_is_accepted_until_its_deadline_and_the_key_stays_itself() {
    let (app, _, created) = started().await;
    let old = text_of(&created);
    assert_eq!(code(&app, &old).await, VerdictCode::Valid);
    app.clock.advance_millis(1);
    let rotated = api_keys::rotate(&app.app, &BY, &created.key.id, 3_600).await.unwrap();
    let new = rotated.text.expose().clone();
    assert_eq!((rotated.key.id.as_str(), rotated.key.secrets.len()), (created.key.id.as_str(), 2));
    assert_eq!(rotated.previous_expires_at, app.clock.now().plus_seconds(3_600));
    assert_eq!((code(&app, &old).await, code(&app, &new).await), (VerdictCode::Valid, VerdictCode::Valid));
    let again = api_keys::rotate(&app.app, &BY, &created.key.id, 1).await;
    assert!(matches!(again, Err(ChangeError::State(_))), "{again:?}");
    app.clock.advance_millis(3_600_000 - 1);
    assert_eq!(code(&app, &old).await, VerdictCode::Valid);
    app.clock.advance_millis(1);
    assert_eq!((code(&app, &old).await, code(&app, &new).await), (VerdictCode::Expired, VerdictCode::Valid));
    let stored = find(&app, &created.key).await;
    assert_eq!((stored.version, stored.secrets[0].rotated_at.is_some(), stored.secrets[1].rotated_at), (2, true, None));
    api_keys::rotate(&app.app, &BY, &created.key.id, 0).await.unwrap();
    assert_eq!(code(&app, &new).await, VerdictCode::Expired);
}

#[tokio::test]
async fn a_rotation_without_an_overlap_ends_every_older_secret() {
    let (app, _, created) = started().await;
    let second = api_keys::rotate(&app.app, &BY, &created.key.id, 3_600).await.unwrap();
    let third = api_keys::rotate(&app.app, &BY, &created.key.id, 0).await.unwrap();
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::Expired);
    assert_eq!(code(&app, second.text.expose()).await, VerdictCode::Expired);
    assert_eq!(code(&app, third.text.expose()).await, VerdictCode::Valid);
}

#[tokio::test]
async fn a_secret_that_was_about_to_end_is_not_given_longer_by_a_rotation() {
    let (app, _, created) = started().await;
    app.clock.advance_millis(1);
    let rotated = api_keys::rotate(&app.app, &BY, &created.key.id, 60).await.unwrap();
    let ends: Vec<_> = rotated.key.secrets.iter().map(|secret| secret.expires_at).collect();
    assert_eq!(ends, [Some(app.clock.now().plus_seconds(60)), None]);
    assert_eq!(find(&app, &created.key).await.secrets[0].expires_at, ends[0]);
}

#[tokio::test]
async fn each_change_is_in_the_audit_log_and_done_twice_changes_nothing() {
    let (app, _, created) = started().await;
    let id = &created.key.id;
    for _ in 0..2 {
        api_keys::disable(&app.app, &BY, id).await.unwrap();
    }
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::Disabled);
    for _ in 0..2 {
        api_keys::enable(&app.app, &BY, id).await.unwrap();
    }
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::Valid);
    for _ in 0..2 {
        api_keys::revoke(&app.app, &BY, id).await.unwrap();
    }
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::Revoked);
    assert!(matches!(api_keys::enable(&app.app, &BY, id).await, Err(ChangeError::State(_))));
    assert!(matches!(api_keys::rotate(&app.app, &BY, id, 0).await, Err(ChangeError::State(_))));
    let patch = ApiKeyPatch { name: Some("other".to_owned()), ..ApiKeyPatch::default() };
    assert!(matches!(api_keys::update(&app.app, &BY, id, patch, None).await, Err(ChangeError::State(_))));
    for action in ["created", "disabled", "enabled", "revoked"] {
        let events = app.database.count(&format!("SELECT count(*) FROM audit_events WHERE action = 'api_key.{action}'")).await;
        assert_eq!(events, 1, "{action}");
    }
    assert_eq!(find(&app, &created.key).await.version, 4);
}

#[tokio::test]
async fn an_update_replaces_what_is_given_and_needs_the_version() {
    let (app, _, created) = started().await;
    let patch = ApiKeyPatch {
        name: Some("renamed".to_owned()),
        external_id: Some(Some("order-7".to_owned())),
        permissions: Some(permissions("write:y")),
        ..ApiKeyPatch::default()
    };
    let stale = api_keys::update(&app.app, &BY, &created.key.id, patch.clone(), Some(9)).await;
    assert!(matches!(stale, Err(ChangeError::VersionMismatch { expected: 9, current: 1 })), "{stale:?}");
    let updated = api_keys::update(&app.app, &BY, &created.key.id, patch, Some(1)).await.unwrap();
    let stored = find(&app, &created.key).await;
    for key in [&updated, &stored] {
        assert_eq!((key.name.as_str(), key.external_id.as_deref(), key.version), ("renamed", Some("order-7"), 2));
        assert_eq!((&key.permissions, &key.prefix), (&permissions("write:y"), &created.key.prefix));
    }
    let found = super::verdict(&app, &text_of(&created)).await;
    assert_eq!(found.permissions, permissions("write:y"));
}

#[tokio::test]
async fn what_a_key_needs_is_not_taken_away_below_it() {
    let (app, a, created) = started().await;
    let api = created.key.resource_server_id.clone();
    let client = clients::find(&app.app, &a.id).await.unwrap();
    for grant in app.database.texts("SELECT id FROM client_grants").await {
        app.database.execute(&format!("DELETE FROM client_grants WHERE id = '{grant}'")).await;
    }
    assert_eq!(client.id, a.id);
    let refused = resource_servers::delete(&app.app, &BY, &api, None).await;
    assert!(matches!(&refused, Err(ChangeError::State(reason)) if reason.contains("API keys")), "{refused:?}");
    api_keys::delete(&app.app, &BY, &created.key.id, Some(1)).await.unwrap();
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::NotFound);
    resource_servers::delete(&app.app, &BY, &api, None).await.unwrap();
}

#[tokio::test]
async fn bad_values_are_named() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let refused = async |change: fn(NewApiKey) -> NewApiKey| match api_keys::create(&app.app, &BY, change(new_key(&app, &a))).await
    {
        Err(ChangeError::Invalid(field)) => field.field,
        other => panic!("{other:?}"),
    };
    for prefix in ["", "_a", "a_", "1a", "a-b", "csec", "seventeen_letters", "caf\u{e9}"] {
        let new = NewApiKey { prefix: Some(prefix.to_owned()), ..new_key(&app, &a) };
        let made = api_keys::create(&app.app, &BY, new).await;
        assert!(matches!(&made, Err(ChangeError::Invalid(field)) if field.field == "prefix"), "{prefix}: {made:?}");
    }
    assert_eq!(refused(|new| NewApiKey { name: String::new(), ..new }).await, "name");
    assert_eq!(refused(|new| NewApiKey { roles: vec!["nobody".to_owned()], ..new }).await, "roles");
    assert_eq!(
        refused(|new| NewApiKey { expires_at: Some(countersign_protocol::Timestamp::from_millis(0)), ..new }).await,
        "expires_at"
    );
    assert_eq!(app.database.count("SELECT count(*) FROM api_keys").await, 0);
}

#[tokio::test]
async fn lists_are_in_order_and_narrowed_by_what_is_asked() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let mut ids = Vec::new();
    for (client, external_id) in [(&a, None), (&b, Some("x")), (&a, Some("x"))] {
        app.clock.advance_millis(1);
        let new = NewApiKey { external_id: external_id.map(str::to_owned), ..new_key(&app, client) };
        ids.push(api_keys::create(&app.app, &BY, new).await.unwrap().key.id);
    }
    api_keys::disable(&app.app, &BY, &ids[2]).await.unwrap();
    let listed = async |filter: ApiKeyFilter| {
        let found = api_keys::list(&app.app, filter, Page::first(10)).await.unwrap();
        found.into_iter().map(|key| ids.iter().position(|id| *id == key.id).unwrap()).collect::<Vec<_>>()
    };
    let any = ApiKeyFilter::default;
    assert_eq!(listed(any()).await, [0, 1, 2]);
    assert_eq!(listed(ApiKeyFilter { client_id: Some(a.id.to_string()), ..any() }).await, [0, 2]);
    assert_eq!(listed(ApiKeyFilter { external_id: Some("x".to_owned()), ..any() }).await, [1, 2]);
    let both = ApiKeyFilter { client_id: Some(b.id.to_string()), external_id: Some("x".to_owned()), ..any() };
    assert_eq!(listed(both).await, [1]);
    assert_eq!(listed(ApiKeyFilter { state: Some(ApiKeyState::Active), ..any() }).await, [0, 1]);
    assert_eq!(listed(ApiKeyFilter { state: Some(ApiKeyState::Disabled), ..any() }).await, [2]);
    assert_eq!(listed(ApiKeyFilter { resource_server_id: Some("rs_none".to_owned()), ..any() }).await, Vec::<usize>::new());
    let rest =
        api_keys::list(&app.app, any(), Page { after_time: app.clock.now(), after_id: String::new(), limit: 10 }).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(api_keys::prefixes(&app.app, None).await.unwrap(), ["acme_live"]);
}

#[tokio::test]
async fn j156_only_hashes_are_stored() {
    let (app, _, created) = started().await;
    let text = text_of(&created);
    let secret = &text[text.len() - 49..text.len() - 6];
    let stored = app.database.texts("SELECT start || ' ' || hash || ' ' || lookup FROM api_key_secrets").await;
    assert_eq!(stored.len(), 1);
    assert!(!stored[0].contains(secret) && !format!("{:?}", created).contains(secret), "{stored:?}");
    assert_eq!(created.key.secrets[0].start, format!("acme_live_{}", &created.text.id()[..4]));
}

/// A key of the management API gives no more than its maker has.
#[tokio::test]
async fn j160_nobody_makes_a_key_that_exceeds_them() {
    let Managed { app, a, .. } = Managed::start(ENGINE).await;
    let limited = app.caller("limited-1", "clients:read clients:write", None).await;
    let by = caller(&app, &limited.client.id).await;
    let new = NewApiKey { permissions: permissions("clients:write"), ..NewApiKey::named("k", a.id.clone(), resource_server_id()) };
    let refused = api_keys::create(&app.app, &by, new.clone()).await;
    assert!(matches!(refused, Err(ChangeError::ExceedsCaller(_))), "{refused:?}");
    let operator = app.caller("operator-2", "operators:write clients:write", None).await;
    let by = caller(&app, &operator.client.id).await;
    let beyond = NewApiKey { permissions: permissions("clients:read"), ..new.clone() };
    assert!(matches!(api_keys::create(&app.app, &by, beyond).await, Err(ChangeError::ExceedsCaller(_))));
    let wild = NewApiKey { permissions: permissions("clients:*"), ..new.clone() };
    assert!(matches!(api_keys::create(&app.app, &by, wild).await, Err(ChangeError::ExceedsCaller(_))));
    api_keys::create(&app.app, &by, new).await.unwrap();
}

/// A caller of an organization has a grant, and gives what is in its scope.
#[tokio::test]
async fn j157_an_organizations_caller_stays_within_its_clients_and_its_grants() {
    let Managed { app, a, .. } = Managed::start(ENGINE).await;
    let organization = countersign::organizations::create(&app.app, &BY, "Partner").await.unwrap();
    let member = app.caller("member-1", "clients:write", Some(&organization.id)).await;
    let by = caller(&app, &member.client.id).await;
    let own = NewApiKey { permissions: permissions("list:users"), ..NewApiKey::named("k", member.client.id.clone(), api1(&app)) };
    let without_grant = api_keys::create(&app.app, &by, own.clone()).await;
    assert!(matches!(without_grant, Err(ChangeError::NotFound { kind: "resource server", .. })), "{without_grant:?}");
    let api = resource_servers::find(&app.app, &api1(&app)).await.unwrap();
    app.grant(&member.client, &api, "list:users").await;
    let created = api_keys::create(&app.app, &by, own.clone()).await.unwrap();
    let beyond = NewApiKey { permissions: permissions("read:x"), ..own.clone() };
    assert!(matches!(api_keys::create(&app.app, &by, beyond).await, Err(ChangeError::ExceedsCaller(_))));
    let foreign = NewApiKey { client_id: a.id.clone(), ..own };
    assert!(matches!(api_keys::create(&app.app, &by, foreign).await, Err(ChangeError::NotFound { kind: "client", .. })));
    let not_its = create(&app, &a).await;
    let refused = api_keys::revoke(&app.app, &by, &not_its.key.id).await;
    assert!(matches!(refused, Err(ChangeError::NotFound { kind: "API key", .. })), "{refused:?}");
    let mut asked = super::presented(&text_of(&not_its));
    asked.organization = Some(organization.id.clone());
    assert_eq!(api_keys::verify(&app.app, asked).await.unwrap().code, VerdictCode::NotFound);
    let mut asked = super::presented(&text_of(&created));
    asked.organization = Some(organization.id.clone());
    assert_eq!(api_keys::verify(&app.app, asked).await.unwrap().code, VerdictCode::Valid);
    let listed =
        api_keys::list(&app.app, ApiKeyFilter { organization: Some(organization.id), ..ApiKeyFilter::default() }, Page::first(9));
    assert_eq!(listed.await.unwrap().len(), 1);
}

async fn caller(app: &TestApp, id: &countersign_protocol::ClientId) -> Actor {
    let client = clients::find(&app.app, id).await.unwrap();
    Actor::client(client.id, "req_test".to_owned(), None)
}

#[tokio::test]
async fn the_last_use_of_each_secret_is_kept() {
    let (app, _, created) = started().await;
    let rotated = api_keys::rotate(&app.app, &BY, &created.key.id, 3_600).await.unwrap();
    let address = Some("192.0.2.7".parse().unwrap());
    let mut times = Vec::new();
    for text in [text_of(&created), rotated.text.expose().clone()] {
        app.clock.advance_millis(10);
        let asked = VerifyRequest { address, ..super::presented(&text) };
        assert!(api_keys::verify(&app.app, asked).await.unwrap().is_valid());
        times.push(Some(Use { used_at: app.clock.now(), source: address }));
    }
    jobs::write_api_key_uses(&app.app).await.unwrap();
    let mut uses: Vec<_> = find(&app, &created.key).await.secrets.into_iter().map(|secret| secret.last_use).collect();
    uses.sort_by_key(|used| used.map(|used| used.used_at));
    assert_eq!(uses, times);
    // A refusal is no use.
    app.clock.advance_millis(10);
    api_keys::disable(&app.app, &BY, &created.key.id).await.unwrap();
    code(&app, &text_of(&created)).await;
    jobs::write_api_key_uses(&app.app).await.unwrap();
    let last = find(&app, &created.key).await.secrets.into_iter().filter_map(|secret| secret.last_use).map(|used| used.used_at);
    assert_eq!(last.max(), times[1].map(|used| used.used_at));
}
