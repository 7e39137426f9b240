//! Manual rotation: the published successor becomes active, the active key
//! retires, and a new successor is published.

use countersign_protocol::Timestamp;

use super::{MIN_PUBLICATION_SECONDS, SigningKeyState, StoredSigningKey, make};
use crate::app::App;
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::ids::SigningKeyId;
use crate::instance::hold_master_key;
use crate::store::{ChangeKind, StoreError, Tx};

/// The outcome of a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// Signs from now on.
    pub active: SigningKeyId,
    /// Signed until now; still in the JWK Set.
    pub retiring: SigningKeyId,
    /// Published as the next one.
    pub successor: SigningKeyId,
}

/// Lets the successor of `active` take over. The caller names the key that it
/// expects to be active: a rotation that is asked for twice happens once.
///
/// # Errors
/// [`ChangeError::NotFound`] when there is no such key, [`ChangeError::State`] when
/// it is not active (any more), or when its successor has not been published for
/// longer than a JWK Set may be cached.
pub async fn rotate(app: &App, by: &Actor, active: &SigningKeyId) -> Result<Rotated, ChangeError> {
    let key = find(app, active).await?;
    require_active(&key)?;
    let new = make::make(app, &key.authorization_server_id, key.algorithm, SigningKeyState::Published).await?;
    let (by, active, master_key, now) = (by.clone(), active.clone(), app.master_key.clone(), app.clock.now());
    let committed = app.write(move |tx| {
        Box::pin(async move {
            let held = hold_master_key::<ChangeError>(tx, &master_key).await?;
            let keys = tx.signing_keys_of(&new.authorization_server_id).await?;
            let same = |key: &&StoredSigningKey| key.algorithm == new.algorithm;
            let old = keys.iter().filter(same).find(|key| key.id == active);
            require_active(old.ok_or_else(|| not_found(&active))?)?;
            let next = keys.iter().filter(same).find(|key| key.state == SigningKeyState::Published);
            let next = next.ok_or_else(|| ChangeError::State("no successor is published yet".to_owned()))?;
            if next.published_at > now.plus_seconds(-MIN_PUBLICATION_SECONDS) {
                return Err(too_young(next, now));
            }
            if !succeed(tx, &active, &next.id, now).await? {
                return Err(ChangeError::State("another rotation came first".to_owned()));
            }
            tx.insert_signing_key(&held, &new).await?;
            let event = by
                .event("signing_key.rotated", "signing_key", next.id.as_str())
                .with_detail("authorization_server_id", new.authorization_server_id.as_str())
                .with_detail("retiring", active.as_str())
                .with_detail("published", new.id.as_str());
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, new.id.as_str(), now);
            Ok(Rotated { active: next.id.clone(), retiring: active, successor: new.id })
        })
    });
    committed.await
}

/// Lets `successor` take over from `active`. Whether both were what they must be.
pub(super) async fn succeed(
    tx: &mut Tx,
    active: &SigningKeyId,
    successor: &SigningKeyId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(tx.stop_signing_key(active, now).await? && tx.activate_signing_key(successor, now).await?)
}

pub(super) async fn find(app: &App, id: &SigningKeyId) -> Result<StoredSigningKey, ChangeError> {
    let wanted = id.clone();
    let found = app.store.read(move |session| Box::pin(async move { session.signing_key(&wanted).await })).await?;
    found.ok_or_else(|| not_found(id))
}

pub(super) fn not_found(id: &SigningKeyId) -> ChangeError {
    ChangeError::NotFound { kind: "signing key", id: id.to_string() }
}

fn require_active(key: &StoredSigningKey) -> Result<(), ChangeError> {
    match key.state {
        SigningKeyState::Active => Ok(()),
        SigningKeyState::Published | SigningKeyState::Retiring | SigningKeyState::Retired => {
            Err(ChangeError::State(format!("the key {} is {}, not active", key.id, key.state.as_str())))
        }
    }
}

fn too_young(successor: &StoredSigningKey, now: Timestamp) -> ChangeError {
    let age = now.millis_since(successor.published_at) / 1000;
    let wait = MIN_PUBLICATION_SECONDS - age + 1;
    ChangeError::State(format!(
        "the successor {} was published {age} s ago; verifiers may cache the key set for {MIN_PUBLICATION_SECONDS} s: rotate again in {wait} s",
        successor.id
    ))
}
