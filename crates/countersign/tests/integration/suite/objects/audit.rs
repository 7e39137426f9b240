//! The audit log: one event per change, in the change's transaction, in a chain.

use std::sync::Arc;

use countersign::audit::{self, Actor, ChainFault, ChainHash, RecordedEvent, Repeatable};
use countersign::change::ChangeError;
use countersign::clients;
use countersign::management::create_operator;
use countersign::store::StoreError;
use countersign_protocol::{ClientId, Clock as _};

use super::ENGINE;
use crate::support::{Fixture, TestApp};

async fn events(app: &TestApp) -> Vec<RecordedEvent> {
    let read = app.app.store.read(|session| Box::pin(async move { session.audit_events_after(0, None, 1_000).await }));
    read.await.map_err(|error: StoreError| error).unwrap()
}

async fn verify(app: &TestApp, noted: Option<(i64, ChainHash)>) -> Result<audit::VerifiedChain, ChainFault> {
    audit::verify(&app.app.store, noted, |_| {}).await
}

#[tokio::test]
async fn every_change_says_who_what_when_and_in_which_request() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let operator = ClientId::try_from("operator").unwrap();
    create_operator(&app.app, &Actor::command_line(), Some(operator.clone()), "Operator").await.unwrap();
    let before = events(&app).await.len();
    let by = Actor::client(operator, "request-1".to_owned(), Some([192, 0, 2, 7].into()));
    clients::disable(&app.app, &by, &a.id).await.unwrap();
    let event = events(&app).await.pop().unwrap();
    assert_eq!(event.seq, i64::try_from(before).unwrap() + 1);
    assert_eq!((event.actor_kind.as_str(), event.actor_id.as_deref()), ("client", Some("operator")));
    assert_eq!((event.request_id.as_deref(), event.source_address.as_deref()), (Some("request-1"), Some("192.0.2.7")));
    assert_eq!(
        (event.action.as_str(), event.object_kind.as_str(), event.object_id.as_str()),
        ("client.disabled", "client", "client-a")
    );
    assert_eq!(event.occurred_at, app.clock.now());
    // The fixture's own changes are there too, and none of them tells a secret.
    assert!(before >= 10, "{before}");
    let all = format!("{:?}", events(&app).await);
    assert!(!all.contains("csec_") && !all.contains(&a.secret));
}

#[tokio::test]
async fn a_change_that_is_refused_leaves_no_event() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let before = events(&app).await.len();
    let unknown = ClientId::try_from("unknown-client").unwrap();
    clients::disable(&app.app, &Actor::command_line(), &unknown).await.unwrap_err();
    assert_eq!(events(&app).await.len(), before);
}

#[tokio::test]
async fn changes_made_at_once_are_one_chain() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let other = app.second_node().await;
    let before = events(&app).await.len();
    let tasks: Vec<_> = (0..32)
        .map(|number| {
            let app = Arc::clone(if number % 2 == 0 { &app.app } else { &other.app });
            let id = ClientId::try_from(["client-a", "client-b", "unknown-client"][number % 3]).unwrap();
            tokio::spawn(async move { clients::enable(&app, &Actor::command_line(), &id).await.is_ok() })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += usize::from(task.await.unwrap());
    }
    assert_eq!(done, 22);
    let chain = verify(&app, None).await.unwrap();
    assert_eq!(chain.events, i64::try_from(before + done).unwrap());
    assert_eq!(chain.head, events(&app).await.pop().unwrap().hash);
}

#[tokio::test]
async fn tampering_with_the_log_is_found() {
    let faults = [
        ("UPDATE audit_events SET actor_id = 'someone-else' WHERE seq = 3", "event 3 was changed"),
        ("UPDATE audit_events SET details = '{}' WHERE seq = 2", "event 2 was changed"),
        ("DELETE FROM audit_events WHERE seq = 4", "event 4 is missing"),
        ("DELETE FROM audit_events WHERE seq = (SELECT seq FROM audit_head)", "is missing"),
        ("UPDATE audit_events SET hash = 'x' WHERE seq = (SELECT seq FROM audit_head)", "was changed"),
    ];
    for (tampering, expected) in faults {
        let Fixture { app, .. } = Fixture::start(ENGINE).await;
        verify(&app, None).await.unwrap();
        app.database.execute(tampering).await;
        let fault = verify(&app, None).await.unwrap_err().to_string();
        assert!(fault.contains(expected), "{tampering}: {fault}");
    }
}

#[tokio::test]
async fn a_log_that_was_rewritten_or_cut_differs_from_what_was_noted() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let noted = verify(&app, None).await.unwrap();
    let (seq, hash) = (noted.events, noted.head.clone());
    clients::disable(&app.app, &Actor::command_line(), &a.id).await.unwrap();
    verify(&app, Some((seq, hash.clone()))).await.unwrap();
    // Someone with the database alone cuts the log and mends the head.
    let third = &events(&app).await[2].hash;
    app.database.execute(&format!("DELETE FROM audit_events WHERE seq > 3; UPDATE audit_head SET seq = 3, hash = '{third}'")).await;
    verify(&app, None).await.unwrap();
    assert!(matches!(verify(&app, Some((seq, hash))).await, Err(ChainFault::Missing { .. })));
    assert!(matches!(verify(&app, Some((3, ChainHash::from_stored("other")))).await, Err(ChainFault::NotAsNoted { seq: 3, .. })));
}

#[tokio::test]
async fn a_request_of_several_events_is_remembered_once() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let caller = ClientId::try_from("operator").unwrap();
    let repeatable = Repeatable { caller: caller.clone(), key: "key-1".to_owned(), request_hash: "h".to_owned() };
    let by = Actor::client(caller, "request-1".to_owned(), None).repeatable(Some(repeatable));
    let now = app.clock.now();
    let record = async || {
        let events = ["first", "second"].map(|id| by.event("thing.done", "thing", id));
        let written = app.app.store.write(move |tx| {
            Box::pin(async move {
                events.into_iter().for_each(|event| tx.record_event(event, now));
                Ok::<_, StoreError>(())
            })
        });
        written.await.map(drop)
    };
    record().await.unwrap();
    assert!(matches!(record().await, Err(StoreError::Repeated)));
}

#[tokio::test]
async fn sixty_four_requests_with_one_idempotency_key_have_one_effect() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let caller = ClientId::try_from("operator").unwrap();
    create_operator(&app.app, &Actor::command_line(), Some(caller.clone()), "Operator").await.unwrap();
    let other = app.second_node().await;
    let before = app.database.count("SELECT count(*) FROM credentials").await;
    let repeatable = Repeatable { caller: caller.clone(), key: "key-1".to_owned(), request_hash: "h".to_owned() };
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let app = Arc::clone(if number % 2 == 0 { &app.app } else { &other.app });
            let by = Actor::client(caller.clone(), format!("request-{number}"), None).repeatable(Some(repeatable.clone()));
            let id = a.id.clone();
            tokio::spawn(async move { clients::create_secret(&app, &by, &id, "one").await })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert!(matches!(error, ChangeError::Store(StoreError::Repeated)), "{error}"),
        }
    }
    assert_eq!(made, 1);
    assert_eq!(app.database.count("SELECT count(*) FROM credentials").await, before + 1);
}
