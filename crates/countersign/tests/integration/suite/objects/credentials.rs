//! The life of a credential: rotation, changes, revocation, warnings, last use.

use std::sync::Arc;

use countersign::audit::{Actor, RecordedEvent};
use countersign::change::ChangeError;
use countersign::clients::{self, CredentialChange, NewSecret, RotatedSecret, Rotation};
use countersign::ids::CredentialId;
use countersign::jobs;
use countersign::oauth;
use countersign::source_address::SourceAddress;
use countersign::store::StoreError;
use countersign_protocol::{ClientAuthMethod, ClientId, Clock as _, ErrorCode, Parameters, Timestamp};

use super::ENGINE;
use crate::support::{Answer, CapturedLog, Database, Fixture, TestApp, TestClient};

const BY: Actor = Actor::command_line();
const DAY: i64 = 86_400;

fn rotation(overlap_seconds: i64) -> Rotation {
    Rotation { new: "next".into(), overlap_seconds }
}

async fn rotate(app: &TestApp, client: &TestClient, overlap_seconds: i64) -> Result<RotatedSecret, ChangeError> {
    clients::rotate_secret(&app.app, &BY, &client.id, &client.credential_id, rotation(overlap_seconds)).await
}

async fn with_secret(app: &TestApp, client: &TestClient, secret: &str) -> Answer {
    app.ask(&TestClient { secret: secret.to_owned(), ..client.clone() }, "").await
}

async fn events(app: &TestApp, action: &str) -> Vec<RecordedEvent> {
    let read = app.app.store.read(|session| Box::pin(async move { session.audit_events_after(0, None, 1_000).await }));
    let all = read.await.map_err(|error: StoreError| error).unwrap();
    all.into_iter().filter(|event| event.action == action).collect()
}

#[tokio::test]
async fn revoking_again_covers_tokens_that_were_issued_since() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let marked_at = async || app.database.count("SELECT not_before FROM revocation_marks WHERE kind = 'cred'").await;
    clients::revoke_credential(&app.app, &BY, &a.id, &a.credential_id).await.unwrap();
    let first = marked_at().await;
    app.clock.advance_seconds(5);
    clients::revoke_credential(&app.app, &BY, &a.id, &a.credential_id).await.unwrap();
    assert_eq!(marked_at().await, first + 5_000);
    assert_eq!(events(&app, "credential.revoked").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_is_deleted_while_the_uses_of_its_credentials_are_written() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    for round in 0..10 {
        let client = app.client(&format!("used-{round}")).await;
        for _ in 0..30 {
            let made = clients::create_secret(&app.app, &BY, &client.id, "one of many").await.unwrap();
            let (method, now) = (ClientAuthMethod::ClientSecretBasic, app.clock.now());
            app.app.credential_uses.record(&made.credential.id, now, method, None, None);
        }
        let (node, id) = (Arc::clone(&app.app), client.id.clone());
        let writing = tokio::spawn(async move { jobs::write_credential_uses(&node).await });
        clients::delete(&app.app, &BY, &id, None).await.unwrap();
        writing.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a09_a_rotated_secret_is_accepted_until_its_deadline() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let rotated = rotate(&app, &a, 3_600).await.unwrap();
    let new = rotated.created.text.expose();
    assert_eq!(rotated.previous_expires_at, app.clock.now().plus_seconds(3_600));
    app.ask(&a, "").await.token();
    let token = with_secret(&app, &a, new).await.token();
    assert_eq!(token.claim("cred"), rotated.created.credential.id.as_str());
    app.clock.advance_millis(3_600_000 - 1);
    app.ask(&a, "").await.token();
    app.clock.advance_millis(1);
    app.ask(&a, "").await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    with_secret(&app, &a, new).await.token();
    let told = events(&app, "credential.rotated").await;
    assert_eq!((told.len(), told[0].object_id.as_str()), (1, a.credential_id.as_str()));
    assert!(told[0].details.contains(rotated.created.credential.id.as_str()) && !told[0].details.contains("csec_"));
}

#[tokio::test]
async fn a_rotation_without_overlap_ends_the_old_secret_at_once() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let rotated = rotate(&app, &a, 0).await.unwrap();
    app.ask(&a, "").await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    with_secret(&app, &a, rotated.created.text.expose()).await.token();
}

#[tokio::test]
async fn a_rotation_never_lengthens_the_life_of_the_old_secret() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let end = app.clock.now().plus_seconds(60);
    let change = CredentialChange { expires_at: Some(Some(end)), ..CredentialChange::default() };
    clients::update_credential(&app.app, &BY, &a.id, &a.credential_id, change).await.unwrap();
    assert_eq!(rotate(&app, &a, 3_600).await.unwrap().previous_expires_at, end);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r30_of_64_rotations_at_once_of_one_credential_exactly_one_happens() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let other = app.second_node().await;
    let rotations: Vec<_> = (0..64)
        .map(|number| {
            let node = Arc::clone(if number % 2 == 0 { &app.app } else { &other.app });
            let a = a.clone();
            tokio::spawn(async move { clients::rotate_secret(&node, &BY, &a.id, &a.credential_id, rotation(60)).await })
        })
        .collect();
    let mut rotated = Vec::new();
    for rotation in rotations {
        match rotation.await.unwrap() {
            Ok(done) => rotated.push(done),
            Err(error @ ChangeError::State(_)) => assert!(error.to_string().contains("rotated already"), "{error}"),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(rotated.len(), 1);
    assert_eq!(clients::list_credentials(&app.app, &a.id).await.unwrap().len(), 2);
    assert_eq!(events(&app, "credential.rotated").await.len(), 1);
    with_secret(&app, &a, rotated[0].created.text.expose()).await.token();
}

#[tokio::test]
async fn what_cannot_be_rotated_is_told_apart() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    for overlap in [-1, clients::MAX_OVERLAP_SECONDS + 1, i64::MIN, i64::MAX] {
        assert!(matches!(rotate(&app, &a, overlap).await, Err(ChangeError::Invalid(_))), "{overlap}");
    }
    let foreign = TestClient { credential_id: b.credential_id.clone(), ..a.clone() };
    assert!(matches!(rotate(&app, &foreign, 60).await, Err(ChangeError::NotFound { kind: "credential", .. })));
    let key = crate::support::TestKey::generate(countersign_protocol::jose::Algorithm::ES256, "k");
    let new = clients::NewKeys {
        label: "keys".to_owned(),
        source: clients::KeySource::Jwks(key.jwks()),
        not_before: None,
        expires_at: None,
    };
    let keys = clients::add_keys(&app.app, &BY, &a.id, new).await.unwrap();
    clients::revoke_credential(&app.app, &BY, &b.id, &b.credential_id).await.unwrap();
    for (client, reason) in
        [(TestClient { credential_id: keys.id, ..a.clone() }, "only secrets are rotated"), (b.clone(), "the credential is revoked")]
    {
        let error = rotate(&app, &client, 60).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    rotate(&app, &a, 0).await.unwrap();
    app.clock.advance_seconds(1);
    assert!(rotate(&app, &a, 0).await.unwrap_err().to_string().contains("rotated already"));
    // Nothing of what was refused is left over.
    assert_eq!(clients::list_credentials(&app.app, &a.id).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_client_rotates_its_own_secret_and_no_others() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let form = format!("client_id={}&client_secret={}", a.id, a.secret);
    let parameters = Parameters::from_form(form.as_bytes()).unwrap();
    let mount = app.app.catalog().mount(&app.app.bases[0], "/").unwrap();
    let own = oauth::authenticate(&app.app, &mount, SourceAddress::NONE, [], &parameters, app.clock.now()).await.unwrap();
    let by = Actor::client(a.id.clone(), "request-1".to_owned(), None);
    let foreign = oauth::rotate_own(&app.app, &by, &own, &b.credential_id, rotation(0)).await;
    assert!(matches!(foreign, Err(ChangeError::NotFound { kind: "credential", .. })));
    let rotated = oauth::rotate_own(&app.app, &by, &own, own.credential_id(), rotation(0)).await.unwrap();
    assert_eq!(rotated.created.credential.created_by.as_deref(), Some("client:client-a"));
    with_secret(&app, &a, rotated.created.text.expose()).await.token();
    app.ask(&b, "audience=https://api2.test").await.token();
}

#[tokio::test]
async fn a_change_keeps_what_is_absent_and_clears_what_is_null() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let now = app.clock.now();
    let change = async |change| clients::update_credential(&app.app, &BY, &a.id, &a.credential_id, change).await;
    let times = CredentialChange {
        label: None,
        not_before: Some(Some(now.plus_seconds(-5))),
        expires_at: Some(Some(now.plus_seconds(5))),
        if_version: None,
    };
    change(times).await.unwrap();
    let renamed = change(CredentialChange { label: Some("other".to_owned()), ..Default::default() }).await.unwrap();
    assert_eq!((renamed.label.as_str(), renamed.expires_at), ("other", Some(now.plus_seconds(5))));
    let cleared = change(CredentialChange { not_before: Some(None), ..Default::default() }).await.unwrap();
    assert_eq!((cleared.not_before, cleared.expires_at), (None, Some(now.plus_seconds(5))));
    let shown = clients::show_credential(&app.app, &a.id, &a.credential_id).await.unwrap();
    assert_eq!((shown.credential.label.as_str(), shown.credential.expires_at), ("other", cleared.expires_at));
    for bad in [
        CredentialChange { label: Some(String::new()), ..Default::default() },
        CredentialChange { expires_at: Some(Some(now)), ..Default::default() },
        CredentialChange { not_before: Some(Some(now.plus_seconds(5))), ..Default::default() },
    ] {
        assert!(matches!(change(bad).await, Err(ChangeError::Invalid(_))));
    }
    app.clock.advance_seconds(5);
    app.ask(&a, "").await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    // An end may be put off even when it is over; a rotated one keeps its deadline.
    change(CredentialChange { expires_at: Some(None), ..Default::default() }).await.unwrap();
    app.ask(&a, "").await.token();
    rotate(&app, &a, 60).await.unwrap();
    let error = change(CredentialChange { expires_at: Some(None), ..Default::default() }).await.unwrap_err();
    assert!(matches!(error, ChangeError::State(_)), "{error}");
    clients::revoke_credential(&app.app, &BY, &a.id, &a.credential_id).await.unwrap();
    let error = change(CredentialChange { label: Some("late".to_owned()), ..Default::default() }).await.unwrap_err();
    assert!(matches!(error, ChangeError::State(_)), "{error}");
}

#[tokio::test]
async fn a_new_secret_counts_from_its_start() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let now = app.clock.now();
    let times = |not_before, expires_at| NewSecret { label: "timed".to_owned(), not_before, expires_at };
    for (start, end) in [(None, Some(now)), (Some(now.plus_seconds(9)), Some(now.plus_seconds(9)))] {
        let refused = clients::create_secret(&app.app, &BY, &a.id, times(start, end)).await;
        assert!(matches!(refused, Err(ChangeError::Invalid(_))));
    }
    let new =
        clients::create_secret(&app.app, &BY, &a.id, times(Some(now.plus_seconds(9)), Some(now.plus_seconds(20)))).await.unwrap();
    with_secret(&app, &a, new.text.expose()).await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    app.clock.advance_seconds(9);
    with_secret(&app, &a, new.text.expose()).await.token();
}

#[tokio::test]
async fn a_client_has_at_most_50_credentials_that_count() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for _ in 0..49 {
        clients::create_secret(&app.app, &BY, &a.id, "more").await.unwrap();
    }
    let one_more = async || clients::create_secret(&app.app, &BY, &a.id, "one more").await;
    assert!(matches!(one_more().await, Err(ChangeError::State(_))));
    clients::revoke_credential(&app.app, &BY, &a.id, &a.credential_id).await.unwrap();
    one_more().await.unwrap();
    assert!(matches!(one_more().await, Err(ChangeError::State(_))));
}

#[tokio::test]
async fn revoking_twice_and_the_last_one_is_fine() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for _ in 0..2 {
        clients::revoke_credential(&app.app, &BY, &a.id, &a.credential_id).await.unwrap();
    }
    assert_eq!(events(&app, "credential.revoked").await.len(), 1);
    app.ask(&a, "").await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
}

async fn ending_in(app: &TestApp, client: &ClientId, seconds: i64) -> CredentialId {
    let expires_at = Some(app.clock.now().plus_seconds(seconds));
    let new = NewSecret { label: "ending".to_owned(), not_before: None, expires_at };
    clients::create_secret(&app.app, &BY, client, new).await.unwrap().credential.id
}

#[tokio::test]
async fn each_threshold_is_warned_of_once_however_many_nodes_look() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let other = app.second_node().await;
    let log = CapturedLog::start();
    let id = ending_in(&app, &a.id, 20 * DAY).await;
    let thresholds = [14 * DAY, 3 * DAY, DAY];
    let mut given = Vec::new();
    // A look every 6 hours, on both nodes at once, until it is over.
    for _ in 0..=4 * 20 {
        let (here, there) =
            tokio::join!(jobs::warn_of_expiry(&app.app, &thresholds), jobs::warn_of_expiry(&other.app, &thresholds));
        given.extend(here.unwrap().into_iter().chain(there.unwrap()));
        app.clock.advance_seconds(DAY / 4);
    }
    assert!(given.iter().all(|warning| warning.credential.id == id));
    assert_eq!(given.iter().map(|warning| warning.threshold_seconds).collect::<Vec<_>>(), thresholds);
    let told = events(&app, "credential.expiring").await;
    assert_eq!(told.len(), 3);
    assert_eq!((told[0].actor_kind.as_str(), told[0].actor_id.as_deref()), ("system", Some("credential_expiry")));
    let lines = log.records().into_iter().filter(|record| record["credential_id"] == id.as_str()).count();
    assert_eq!(lines, 3);
    let scrape = app.scrape().await;
    assert_eq!(scrape.value(r#"countersign_expiring{kind="client_secret",within="30d"}"#), 0.0);
}

#[tokio::test]
async fn a_warning_is_for_what_ends_without_a_successor() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let soon = ending_in(&app, &a.id, DAY / 2).await;
    let (revoked, rotated, later) =
        (ending_in(&app, &a.id, DAY).await, ending_in(&app, &b.id, DAY).await, ending_in(&app, &a.id, 10 * DAY).await);
    clients::revoke_credential(&app.app, &BY, &a.id, &revoked).await.unwrap();
    clients::rotate_secret(&app.app, &BY, &b.id, &rotated, rotation(DAY)).await.unwrap();
    let look = async || jobs::warn_of_expiry(&app.app, &[DAY, 14 * DAY]).await.unwrap();
    // One warning each: that of the nearest threshold.
    let mut given: Vec<_> = look().await.into_iter().map(|warning| (warning.credential.id, warning.threshold_seconds)).collect();
    given.sort();
    let mut expected = vec![(soon, DAY), (later.clone(), 14 * DAY)];
    expected.sort();
    assert_eq!(given, expected);
    let scrape = app.scrape().await;
    let counted = |within| scrape.value(&format!("countersign_expiring{{kind=\"client_secret\",within=\"{within}\"}}"));
    assert_eq!((counted("1d"), counted("7d"), counted("30d")), (1.0, 1.0, 2.0));
    assert_eq!(scrape.value(r#"countersign_expiring{kind="client_key",within="30d"}"#), 0.0);
    assert!(look().await.is_empty());
    // Another end is another thing to be warned of.
    let change = CredentialChange { expires_at: Some(Some(app.clock.now().plus_seconds(11 * DAY))), ..Default::default() };
    clients::update_credential(&app.app, &BY, &a.id, &later, change).await.unwrap();
    assert_eq!(look().await.len(), 1);
    assert!(look().await.is_empty());
}

#[tokio::test]
async fn the_last_use_says_when_whence_and_how_and_costs_a_token_nothing() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    app.ask(&a, "").await.token();
    let (_, written) = app.app.store.statements_run();
    let used = app.token_request("/oauth/token", &a, "grant_type=client_credentials").from("203.0.113.9");
    used.header("user-agent", "x".repeat(500)).send().await.token();
    assert_eq!(app.app.store.statements_run().1, written);
    let last_use = async || clients::show_credential(&app.app, &a.id, &a.credential_id).await.unwrap().last_use;
    assert_eq!(last_use().await, None);
    jobs::write_credential_uses(&app.app).await.unwrap();
    let seen = last_use().await.unwrap();
    assert_eq!((seen.used_at, seen.method), (app.clock.now(), ClientAuthMethod::ClientSecretBasic));
    assert_eq!(seen.source, Some([203, 0, 113, 9].into()));
    assert_eq!(seen.user_agent, Some("x".repeat(200)));
    // Who is refused has used nothing; who asked for too much has.
    app.clock.advance_seconds(1);
    with_secret(&app, &a, "wrong").await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    jobs::write_credential_uses(&app.app).await.unwrap();
    assert_eq!(last_use().await, Some(seen));
    app.ask(&a, "scope=admin:all").await.assert_refused(400, "invalid_scope", ErrorCode::ScopeNotGranted);
    jobs::write_credential_uses(&app.app).await.unwrap();
    assert_eq!(last_use().await.unwrap().used_at, app.clock.now());
}

#[tokio::test]
async fn the_latest_use_wins_whichever_node_writes_last() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let other = app.second_node().await;
    app.ask(&a, "").await.token();
    let earlier = app.clock.now();
    app.clock.advance_seconds(7);
    other.ask(&a, "").await.token();
    let used_at = async || clients::show_credential(&app.app, &a.id, &a.credential_id).await.unwrap().last_use.unwrap().used_at;
    jobs::write_credential_uses(&other.app).await.unwrap();
    jobs::write_credential_uses(&app.app).await.unwrap();
    assert_eq!(used_at().await, earlier.plus_seconds(7));
}

#[tokio::test]
async fn a_use_that_could_not_be_written_is_written_later() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    app.ask(&a, "").await.token();
    app.ask(&b, "audience=https://api2.test").await.token();
    app.database.execute("ALTER TABLE credential_uses RENAME TO gone").await;
    assert!(jobs::write_credential_uses(&app.app).await.is_err());
    app.database.execute("ALTER TABLE gone RENAME TO credential_uses").await;
    jobs::write_credential_uses(&app.app).await.unwrap();
    assert_eq!(app.database.count("SELECT count(*) FROM credential_uses").await, 2);
}

/// What the schema was before there were several kinds is carried over.
#[tokio::test]
async fn secrets_of_an_older_schema_go_on_working() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let drop_new = "DROP TABLE credential_uses; DROP TABLE credential_expiry_warnings; DROP TABLE used_jtis; \
                    ALTER TABLE clients DROP COLUMN assertion_audience; ALTER TABLE credentials RENAME TO newer; \
                    DROP INDEX credentials_by_client; DROP INDEX credentials_by_end;";
    app.database.execute(drop_new).await;
    let old = "CREATE TABLE credentials (id TEXT NOT NULL PRIMARY KEY, client_id TEXT NOT NULL REFERENCES clients (id), \
               label TEXT NOT NULL, hash_key_id TEXT NOT NULL REFERENCES hash_keys (id), secret_hash TEXT NOT NULL, \
               not_before BIGINT, expires_at BIGINT, revoked_at BIGINT, created_at BIGINT NOT NULL); \
               CREATE INDEX credentials_by_client ON credentials (client_id); \
               INSERT INTO credentials SELECT id, client_id, label, hash_key_id, secret_hash, not_before, expires_at, revoked_at, \
               created_at FROM newer; DROP TABLE newer; DELETE FROM schema_migrations WHERE version = 3;";
    // PostgreSQL keeps the name of the key's index when a table is renamed.
    let old = match &*app.database {
        Database::Postgres(_) => old.replace("PRIMARY KEY, client_id", "CONSTRAINT older_key PRIMARY KEY, client_id"),
        Database::Sqlite(_) => old.to_owned(),
    };
    app.database.execute(&old).await;
    let migrated = app.second_node().await;
    migrated.ask(&a, "").await.token();
    let listed = clients::list_credentials(&migrated.app, &a.id).await.unwrap();
    assert_eq!((listed.len(), listed[0].credential.kind.name(), listed[0].credential.created_by.as_deref()), (1, "secret", None));
    assert!(listed[0].credential.created_at > Timestamp::default());
}
