//! Rotation by the schedule: carries out what is due. Any number of nodes may do so
//! at once: each step happens once.

use std::collections::BTreeMap;

use countersign_protocol::jose::Algorithm;

use super::plan::{Step, next_step};
use super::rotate::succeed;
use super::{SigningKeyState, StoredSigningKey, make};
use crate::app::App;
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::ids::{AuthorizationServerId, SigningKeyId};
use crate::instance::hold_master_key;
use crate::store::{ChangeKind, StoreError};

/// Carries out every step that is due and returns how many this node made. A step
/// that another node made first counts as none.
///
/// # Errors
/// The first [`ChangeError`], after the keys of every other authorization server and
/// algorithm had their turn.
pub async fn apply_due(app: &App, by: &Actor) -> Result<usize, ChangeError> {
    let read = app.store.read(|session| {
        Box::pin(async move { Ok::<_, StoreError>((session.authorization_servers().await?, session.signing_keys().await?)) })
    });
    let (servers, keys) = read.await?;
    let mut groups: BTreeMap<(&AuthorizationServerId, Algorithm), i64> = BTreeMap::new();
    for key in &keys {
        let server = servers.iter().find(|server| server.id == key.authorization_server_id);
        if let Some(server) = server {
            groups.insert((&server.id, key.algorithm), server.rotation_interval_seconds);
        }
    }
    let mut made = 0;
    let mut failed = None;
    for ((server, algorithm), interval_seconds) in groups {
        match apply_due_to(app, by, server, algorithm, interval_seconds).await {
            Ok(steps) => made += steps,
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(made), Err)
}

async fn apply_due_to(
    app: &App,
    by: &Actor,
    server: &AuthorizationServerId,
    algorithm: Algorithm,
    interval_seconds: i64,
) -> Result<usize, ChangeError> {
    let mut made = 0;
    loop {
        let id = server.clone();
        let keys = app.store.read(move |session| Box::pin(async move { session.signing_keys_of(&id).await })).await?;
        let keys: Vec<&StoredSigningKey> = keys.iter().filter(|key| key.algorithm == algorithm).collect();
        let Some(step) = next_step(&keys, interval_seconds, app.clock.now()) else { return Ok(made) };
        let done = match step {
            Step::Activate(key) => activate(app, by, key).await?,
            Step::Publish => publish(app, by, server, algorithm).await?,
            Step::Retire(key) => retire(app, by, key).await?,
            Step::Succeed { active, successor } => rotate(app, by, active, successor).await?,
        };
        if !done {
            return Ok(made);
        }
        made += 1;
    }
}

async fn activate(app: &App, by: &Actor, key: SigningKeyId) -> Result<bool, ChangeError> {
    let (by, now) = (by.clone(), app.clock.now());
    let written = app.write(move |tx| {
        Box::pin(async move {
            let done = tx.activate_signing_key(&key, now).await?;
            if done {
                tx.record_event(by.event("signing_key.activated", "signing_key", key.as_str()), now);
                tx.record_change(ChangeKind::Catalog, key.as_str(), now);
            }
            Ok(done)
        })
    });
    happens_once(written.await)
}

async fn publish(app: &App, by: &Actor, server: &AuthorizationServerId, algorithm: Algorithm) -> Result<bool, ChangeError> {
    let key = make::make(app, server, algorithm, SigningKeyState::Published).await?;
    let (by, master_key, now) = (by.clone(), app.master_key.clone(), key.published_at);
    let written = app.write(move |tx| {
        Box::pin(async move {
            let held = hold_master_key::<ChangeError>(tx, &master_key).await?;
            tx.insert_signing_key(&held, &key).await?;
            let event = by
                .event("signing_key.published", "signing_key", key.id.as_str())
                .with_detail("authorization_server_id", key.authorization_server_id.as_str());
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, key.id.as_str(), now);
            Ok(true)
        })
    });
    happens_once(written.await)
}

async fn rotate(app: &App, by: &Actor, active: SigningKeyId, successor: SigningKeyId) -> Result<bool, ChangeError> {
    let (by, master_key, now) = (by.clone(), app.master_key.clone(), app.clock.now());
    let written = app.write(move |tx| {
        Box::pin(async move {
            // Nothing is sealed here, but whoever deletes the keys takes them in another order.
            hold_master_key::<ChangeError>(tx, &master_key).await?;
            if !succeed(tx, &active, &successor, now).await? {
                // Half of it may have happened: both or none.
                return Err(ChangeError::State("another node was first".to_owned()));
            }
            let event = by.event("signing_key.rotated", "signing_key", successor.as_str()).with_detail("retiring", active.as_str());
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, successor.as_str(), now);
            Ok(true)
        })
    });
    happens_once(written.await)
}

async fn retire(app: &App, by: &Actor, key: SigningKeyId) -> Result<bool, ChangeError> {
    let (by, now) = (by.clone(), app.clock.now());
    let written = app.write(move |tx| {
        Box::pin(async move {
            let done = tx.retire_signing_key(&key, SigningKeyState::Retiring, now).await?;
            if done {
                tx.record_event(by.event("signing_key.retired", "signing_key", key.as_str()), now);
                tx.record_change(ChangeKind::Catalog, key.as_str(), now);
            }
            Ok(done)
        })
    });
    happens_once(written.await)
}

/// The state says what another node has done: there is one active and one published
/// key at most.
fn happens_once(written: Result<bool, ChangeError>) -> Result<bool, ChangeError> {
    match written {
        Err(ChangeError::Store(StoreError::UniqueViolation) | ChangeError::State(_)) => Ok(false),
        other => other,
    }
}
