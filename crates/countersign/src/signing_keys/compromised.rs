//! Emergency rotation: a key that others may have is gone at once.

use std::sync::Arc;

use countersign_protocol::Timestamp;

use super::rotate::{find, not_found};
use super::{SigningKeyState, StoredSigningKey, make_pair};
use crate::app::App;
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::ids::SigningKeyId;
use crate::instance::{HeldMasterKey, hold_master_key};
use crate::revocation::{Marked, mark, outlast};
use crate::store::{ChangeKind, Tx};

/// The outcome of an emergency rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// Not in the JWK Set any more; their private halves are destroyed.
    pub withdrawn: Vec<SigningKeyId>,
    /// What signs now with the same algorithm.
    pub active: Option<SigningKeyId>,
    /// What is published as the next one.
    pub successor: Option<SigningKeyId>,
}

/// Withdraws a compromised key: out of the JWK Set at once, its private half
/// destroyed, its tokens refused by introspection. If it was active, its successor
/// signs from now on, however young it is: verifiers that have not heard of it refuse
/// good tokens until they ask again, 60 seconds at most, and the other choice is that
/// all of them accept forged ones. With `also_successor` the successor is withdrawn
/// too, for whoever got the one may have got the other; new keys take both places. So it may
/// be with the key of the status feed, which is replaced in any case.
///
/// # Errors
/// [`ChangeError::NotFound`]; [`ChangeError::State`] when the key is retired, or was
/// changed at the same moment.
pub async fn replace_compromised(
    app: &App,
    by: &Actor,
    key: &SigningKeyId,
    also_successor: bool,
) -> Result<Withdrawn, ChangeError> {
    let found = find(app, key).await?;
    require_live(&found)?;
    // Which of them are needed is known only in the transaction.
    let [new_active, new_successor] = make_pair(app, &found.authorization_server_id, found.algorithm).await?;
    let (by, id, master_key, clock) = (by.clone(), found.id, app.master_key.clone(), Arc::clone(&app.clock));
    let written = app.commit(move |tx| {
        Box::pin(async move {
            let held = hold_master_key::<ChangeError>(tx, &master_key).await?;
            // Tokens were signed while this waited for others.
            let now = clock.now();
            let keys = tx.signing_keys_of(&new_active.authorization_server_id).await?;
            let keys: Vec<_> = keys.into_iter().filter(|key| key.algorithm == new_active.algorithm).collect();
            let compromised = keys.iter().find(|key| key.id == id).ok_or_else(|| not_found(&id))?;
            require_live(compromised)?;
            let withdrawn = withdraw(tx, &keys, compromised, also_successor, now).await?;
            let (active, successor) = fill_places(tx, &held, &keys, &withdrawn, [new_active, new_successor], now).await?;
            let mut standing = Vec::with_capacity(withdrawn.len());
            for key in &withdrawn {
                let marked = Marked::Key(key.clone());
                let not_before = mark(tx, &marked, now).await?;
                standing.push((marked, not_before));
            }
            tx.delete_status_feed_key(&compromised.authorization_server_id).await?;
            tx.record_change(ChangeKind::StatusFeedKey, compromised.authorization_server_id.as_str(), now);
            let names: Vec<&str> = withdrawn.iter().map(SigningKeyId::as_str).collect();
            let event = by
                .event("signing_key.withdrawn", "signing_key", id.as_str())
                .with_detail("withdrawn", names)
                .with_detail("active", active.as_ref().map(SigningKeyId::as_str))
                .with_detail("published", successor.as_ref().map(SigningKeyId::as_str));
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, id.as_str(), now);
            Ok((Withdrawn { withdrawn, active, successor }, standing))
        })
    });
    outlast(app, written).await
}

async fn withdraw(
    tx: &mut Tx,
    keys: &[StoredSigningKey],
    compromised: &StoredSigningKey,
    also_successor: bool,
    now: Timestamp,
) -> Result<Vec<SigningKeyId>, ChangeError> {
    let is_meant =
        |key: &&StoredSigningKey| key.id == compromised.id || (also_successor && key.state == SigningKeyState::Published);
    let mut withdrawn = Vec::new();
    for key in keys.iter().filter(is_meant) {
        if !tx.retire_signing_key(&key.id, key.state, now).await? {
            return Err(ChangeError::State(format!("the key {} was changed at the same moment: try again", key.id)));
        }
        withdrawn.push(key.id.clone());
    }
    Ok(withdrawn)
}

/// Sees to it that what signed before signs after, and has a successor.
async fn fill_places(
    tx: &mut Tx,
    held: &HeldMasterKey,
    keys: &[StoredSigningKey],
    withdrawn: &[SigningKeyId],
    [new_active, new_successor]: [StoredSigningKey; 2],
    now: Timestamp,
) -> Result<(Option<SigningKeyId>, Option<SigningKeyId>), ChangeError> {
    let before = |state| keys.iter().find(|key| key.state == state);
    let left = |state| before(state).filter(|key| !withdrawn.contains(&key.id)).map(|key| key.id.clone());
    let mut successor = left(SigningKeyState::Published);
    let active = match (left(SigningKeyState::Active), before(SigningKeyState::Active)) {
        (Some(active), _) => Some(active),
        (None, None) => None,
        (None, Some(_)) => match successor.take() {
            Some(next) if tx.activate_signing_key(&next, now).await? => Some(next),
            Some(next) => return Err(ChangeError::State(format!("the key {next} was changed at the same moment: try again"))),
            None => {
                tx.insert_signing_key(held, &new_active).await?;
                Some(new_active.id)
            }
        },
    };
    let had_place = active.is_some() || before(SigningKeyState::Published).is_some();
    if successor.is_none() && had_place {
        tx.insert_signing_key(held, &new_successor).await?;
        successor = Some(new_successor.id);
    }
    Ok((active, successor))
}

fn require_live(key: &StoredSigningKey) -> Result<(), ChangeError> {
    match key.state {
        SigningKeyState::Active | SigningKeyState::Published | SigningKeyState::Retiring => Ok(()),
        SigningKeyState::Retired => Err(ChangeError::State(format!("the key {} is retired: it is not published any more", key.id))),
    }
}
