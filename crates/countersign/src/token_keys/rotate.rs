//! Rotation by an operator: the successor is made before its day, or a key that others
//! may have is gone at once.

use std::sync::Arc;

use countersign_protocol::Timestamp;

use super::schedule::{KNOWN_BEFORE_SECONDS, succeed};
use super::{StoredTokenKey, make};
use crate::app::App;
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::ids::TokenKeyId;
use crate::instance::hold_master_key;
use crate::revocation::{Marked, mark, outlast};
use crate::store::{ChangeKind, StoreError, Tx};

/// Where a token key that is not destroyed is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKeyState {
    /// Every node hears of it; it seals nothing yet.
    Waiting,
    /// It seals new tokens.
    Active,
    /// It opens the tokens that it has sealed.
    Retiring,
}

impl TokenKeyState {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Active => "active",
            Self::Retiring => "retiring",
        }
    }
}

/// The outcome of a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotatedTokenKey {
    /// Seals new tokens.
    pub active: TokenKeyId,
    /// Seals next, and waits until every node knows it.
    pub successor: Option<TokenKeyId>,
    /// Destroyed; so are the tokens that they sealed.
    pub withdrawn: Vec<TokenKeyId>,
}

/// Every key that is not destroyed, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(app: &App) -> Result<Vec<(StoredTokenKey, TokenKeyState)>, StoreError> {
    let keys = app.store.read(|session| Box::pin(async move { session.token_keys().await })).await?;
    Ok(with_states(keys, app.clock.now()))
}

/// `keys` are all that are not destroyed, oldest first. Pure.
fn with_states(keys: Vec<StoredTokenKey>, now: Timestamp) -> Vec<(StoredTokenKey, TokenKeyState)> {
    // By a clock that is behind, the first of all may seem to wait.
    let active = keys.iter().rposition(|key| key.seals_from <= now).unwrap_or(0);
    let state = |place: usize| match place.cmp(&active) {
        std::cmp::Ordering::Less => TokenKeyState::Retiring,
        std::cmp::Ordering::Equal => TokenKeyState::Active,
        std::cmp::Ordering::Greater => TokenKeyState::Waiting,
    };
    keys.into_iter().enumerate().map(|(place, key)| (key, state(place))).collect()
}

/// Makes the successor of `active` now. The caller names the key that it expects to be
/// active: a rotation that is asked for twice happens once.
///
/// # Errors
/// [`ChangeError::NotFound`] when there is no such key, [`ChangeError::State`] when it is
/// not active (any more), or has a successor that waits.
pub async fn rotate(app: &App, by: &Actor, active: &TokenKeyId) -> Result<RotatedTokenKey, ChangeError> {
    let keys = list(app).await?;
    match keys.iter().find(|(key, _)| key.id == *active) {
        None => return Err(missing(app, active).await?),
        Some((_, TokenKeyState::Active)) => {}
        Some((_, state)) => return Err(ChangeError::State(format!("the key {active} is {}, not active", state.as_str()))),
    }
    match succeed(app, by, Some(active.clone())).await? {
        Some(successor) => Ok(RotatedTokenKey { active: active.clone(), successor: Some(successor.id), withdrawn: Vec::new() }),
        None => Err(ChangeError::State(format!("the key {active} has a successor already"))),
    }
}

/// Withdraws a compromised key, in any state: it is destroyed, so that no token opens that
/// it has sealed, or that somebody else seals under it. If it was active, a new key seals
/// from now on, on every node as soon as it hears of it. A key that waits behind it goes
/// too: whoever got the one may have got the other, and it has sealed nothing.
///
/// # Errors
/// [`ChangeError::NotFound`]; [`ChangeError::State`] when the key is destroyed already.
pub async fn replace_compromised(app: &App, by: &Actor, key: &TokenKeyId) -> Result<RotatedTokenKey, ChangeError> {
    if !list(app).await?.iter().any(|(living, _)| living.id == *key) {
        return Err(missing(app, key).await?);
    }
    // Whether it is needed is known only in the transaction.
    let now = app.clock.now();
    let new = make(&app.master_key, "", now, now, app.entropy.as_ref())?;
    let (by, id, master_key, clock) = (by.clone(), key.clone(), app.master_key.clone(), Arc::clone(&app.clock));
    let written = app.commit(move |tx| {
        Box::pin(async move {
            let held = hold_master_key::<ChangeError>(tx, &master_key).await?;
            // Tokens were sealed while this waited for others.
            let now = clock.now();
            let keys = with_states(tx.token_keys().await?, now);
            let (withdrawn, new) = plan(&keys, &id, new, now).ok_or_else(|| destroyed(&id))?;
            let standing = withdraw(tx, &withdrawn, now).await?;
            let mut left: Vec<_> = keys.into_iter().map(|(key, _)| key).filter(|key| !withdrawn.contains(&key.id)).collect();
            if let Some(new) = new {
                tx.insert_token_key(&held, &new).await?;
                left.push(new);
            }
            let left = with_states(left, now);
            let in_state = |wanted| left.iter().find(|(_, state)| *state == wanted).map(|(key, _)| key.id.clone());
            let active = in_state(TokenKeyState::Active).ok_or_else(|| destroyed(&id))?;
            let outcome = RotatedTokenKey { active, successor: in_state(TokenKeyState::Waiting), withdrawn };
            let names: Vec<&str> = outcome.withdrawn.iter().map(TokenKeyId::as_str).collect();
            let event = by
                .event("token_key.withdrawn", "token_key", id.as_str())
                .with_detail("withdrawn", names)
                .with_detail("active", outcome.active.as_str())
                .with_detail("successor", outcome.successor.as_ref().map(TokenKeyId::as_str));
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, id.as_str(), now);
            Ok((outcome, standing))
        })
    });
    outlast(app, written).await
}

/// Which keys go with `compromised`, and `new` as it is to follow, if it is needed: the
/// newest key always lives, because its successor is made after it. `None`: there is no
/// such key. Pure.
fn plan(
    keys: &[(StoredTokenKey, TokenKeyState)],
    compromised: &TokenKeyId,
    new: StoredTokenKey,
    now: Timestamp,
) -> Option<(Vec<TokenKeyId>, Option<StoredTokenKey>)> {
    let (_, state) = keys.iter().find(|(key, _)| key.id == *compromised)?;
    let was_active = *state == TokenKeyState::Active;
    let is_meant = |key: &TokenKeyId, state| key == compromised || (was_active && state == TokenKeyState::Waiting);
    let withdrawn: Vec<_> = keys.iter().filter(|(key, state)| is_meant(&key.id, *state)).map(|(key, _)| key.id.clone()).collect();
    let (newest, _) = keys.last()?;
    let seals_from = if was_active { now } else { now.plus_seconds(KNOWN_BEFORE_SECONDS) };
    let follower = StoredTokenKey { follows: newest.id.to_string(), created_at: now, seals_from, ..new };
    let is_needed = withdrawn.contains(&newest.id);
    Some((withdrawn, is_needed.then_some(follower)))
}

/// Destroys the keys and marks them: a node that still holds one refuses its tokens.
async fn withdraw(tx: &mut Tx, keys: &[TokenKeyId], now: Timestamp) -> Result<Vec<(Marked, Timestamp)>, ChangeError> {
    let mut standing = Vec::with_capacity(keys.len());
    for key in keys {
        if !tx.destroy_token_key(key, now).await? {
            return Err(destroyed(key));
        }
        let marked = Marked::TokenKey(key.clone());
        let not_before = mark(tx, &marked, now).await?;
        standing.push((marked, not_before));
    }
    Ok(standing)
}

fn destroyed(id: &TokenKeyId) -> ChangeError {
    ChangeError::State(format!("the key {id} is destroyed"))
}

/// Why a key does not live.
async fn missing(app: &App, id: &TokenKeyId) -> Result<ChangeError, StoreError> {
    let wanted = id.clone();
    let was_there = app.store.read(move |session| Box::pin(async move { session.has_token_key(&wanted).await })).await?;
    Ok(if was_there { destroyed(id) } else { ChangeError::NotFound { kind: "token key", id: id.to_string() } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, follows: &str, seals_from: i64) -> StoredTokenKey {
        let seals_from = Timestamp::from_seconds(seals_from);
        let id = TokenKeyId::from_stored(id);
        StoredTokenKey { id, follows: follows.to_owned(), sealed_key: "sealed".to_owned(), created_at: seals_from, seals_from }
    }

    /// Which keys go, whom the new one follows, and from when it seals.
    type Planned = (Vec<String>, Option<(String, i64)>);

    /// What an emergency at second 1,000 does.
    fn planned(compromised: &str, keys: &[StoredTokenKey]) -> Option<Planned> {
        let now = Timestamp::from_seconds(1_000);
        let keys = with_states(keys.to_vec(), now);
        let (withdrawn, new) = plan(&keys, &TokenKeyId::from_stored(compromised), key("tk_new", "", 1_000), now)?;
        let withdrawn = withdrawn.iter().map(ToString::to_string).collect();
        Some((withdrawn, new.map(|new| (new.follows, new.seals_from.as_seconds()))))
    }

    #[test]
    fn the_newest_key_that_may_seal_does_whatever_the_clock_says() {
        let keys = vec![key("tk_1", "", 0), key("tk_2", "tk_1", 900), key("tk_3", "tk_2", 1_050)];
        let states = |now| {
            with_states(keys.clone(), Timestamp::from_seconds(now)).iter().map(|(_, state)| state.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(states(1_000), ["retiring", "active", "waiting"]);
        assert_eq!(states(1_050), ["retiring", "retiring", "active"]);
        assert_eq!(states(-1), ["active", "waiting", "waiting"]);
    }

    #[test]
    fn an_emergency_takes_what_waits_behind_the_active_key_and_leaves_what_was_before_it() {
        let (first, second, third) = (key("tk_1", "", 0), key("tk_2", "tk_1", 900), key("tk_3", "tk_2", 1_050));
        let all = [first.clone(), second.clone(), third];
        let of = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(planned("tk_2", &all[..2]), Some((of(&["tk_2"]), Some(("tk_2".to_owned(), 1_000)))));
        assert_eq!(planned("tk_2", &all), Some((of(&["tk_2", "tk_3"]), Some(("tk_3".to_owned(), 1_000)))));
        // The active one seals on.
        assert_eq!(planned("tk_1", &all), Some((of(&["tk_1"]), None)));
        assert_eq!(planned("tk_3", &all), Some((of(&["tk_3"]), Some(("tk_3".to_owned(), 1_060)))));
        assert_eq!(planned("tk_4", &all), None);
    }
}
