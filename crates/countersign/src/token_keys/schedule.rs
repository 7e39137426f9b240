//! The life of token keys by the clock: any number of nodes may carry it out at once,
//! each step happens once.

use countersign_protocol::Timestamp;

use super::{StoredTokenKey, make};
use crate::app::{App, MAX_FEED_SILENCE_SECONDS};
use crate::audit::Actor;
use crate::change::{ChangeError, MAX_TOKEN_LIFETIME_SECONDS};
use crate::ids::TokenKeyId;
use crate::instance::hold_master_key;
use crate::store::{ChangeKind, StoreError};

/// How long a key seals new tokens.
const SEALS_FOR_SECONDS: i64 = 86_400;
/// How long a key is known before it seals: a node that has not heard of it by then
/// has not read the feed for longer than it may answer at all.
pub(super) const KNOWN_BEFORE_SECONDS: i64 = 6 * MAX_FEED_SILENCE_SECONDS;
/// How long a key is kept after its last token has expired: clocks of nodes differ.
const KEPT_AFTER_SECONDS: i64 = 300;

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// The key has no token that lives.
    Destroy(TokenKeyId),
    /// A key after this one; `None`: the first.
    Make(Option<TokenKeyId>),
}

/// What is due at `now`. `keys` are all that are not destroyed. Pure.
fn due(keys: &[StoredTokenKey], is_worn: impl Fn(&TokenKeyId) -> bool, now: Timestamp) -> Vec<Step> {
    let Some(newest) = keys.iter().max_by_key(|key| key.seals_from) else { return vec![Step::Make(None)] };
    let is_old = newest.seals_from.plus_seconds(SEALS_FOR_SECONDS) <= now;
    let makes = newest.seals_from <= now && (is_old || is_worn(&newest.id));
    // Its own successor may have been withdrawn: until then, then.
    let sealed_until = |key: &StoredTokenKey| keys.iter().map(|next| next.seals_from).filter(|from| *from > key.seals_from).min();
    let is_dead = |until: Timestamp| until.plus_seconds(MAX_TOKEN_LIFETIME_SECONDS + KEPT_AFTER_SECONDS) <= now;
    let dead = keys.iter().filter(|key| sealed_until(key).is_some_and(is_dead));
    let destroys = dead.map(|key| Step::Destroy(key.id.clone()));
    destroys.chain(makes.then(|| Step::Make(Some(newest.id.clone())))).collect()
}

/// Carries out what is due and returns how many steps this node made.
///
/// # Errors
/// The first [`ChangeError`].
pub async fn apply_due(app: &App, by: &Actor) -> Result<usize, ChangeError> {
    let keys = app.store.read(|session| Box::pin(async move { session.token_keys().await }));
    let keys = keys.await.map_err(|error: StoreError| error)?;
    let catalog = app.catalog();
    let is_worn = |id: &TokenKeyId| catalog.token_keys.find(id).is_some_and(|key| key.is_worn());
    let mut made = 0;
    for step in due(&keys, is_worn, app.clock.now()) {
        let done = match step {
            Step::Destroy(id) => destroy(app, by, id).await?,
            Step::Make(follows) => succeed(app, by, follows).await?.is_some(),
        };
        made += usize::from(done);
    }
    Ok(made)
}

/// Makes the key after `follows`; `None`: there is one.
pub(super) async fn succeed(app: &App, by: &Actor, follows: Option<TokenKeyId>) -> Result<Option<StoredTokenKey>, ChangeError> {
    let now = app.clock.now();
    let seals_from = if follows.is_some() { now.plus_seconds(KNOWN_BEFORE_SECONDS) } else { now };
    let follows = follows.as_ref().map_or("", TokenKeyId::as_str);
    let key = make(&app.master_key, follows, now, seals_from, app.entropy.as_ref())?;
    let event = by.event("token_key.created", "token_key", key.id.as_str()).with_detail("follows", follows);
    let master_key = app.master_key.clone();
    let written = app.write(move |tx| {
        Box::pin(async move {
            let held = hold_master_key::<ChangeError>(tx, &master_key).await?;
            tx.insert_token_key(&held, &key).await?;
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, key.id.as_str(), now);
            Ok(Some(key))
        })
    });
    match written.await {
        // Each key is followed once: another node was first.
        Err(ChangeError::Store(StoreError::UniqueViolation)) => Ok(None),
        other => other,
    }
}

async fn destroy(app: &App, by: &Actor, id: TokenKeyId) -> Result<bool, ChangeError> {
    let now = app.clock.now();
    let event = by.event("token_key.destroyed", "token_key", id.as_str());
    app.write(move |tx| {
        Box::pin(async move {
            let done = tx.destroy_token_key(&id, now).await?;
            if done {
                tx.record_event(event, now);
                tx.record_change(ChangeKind::Catalog, id.as_str(), now);
            }
            Ok(done)
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, follows: &str, seals_from: i64) -> StoredTokenKey {
        let seals_from = Timestamp::from_seconds(seals_from);
        StoredTokenKey {
            id: TokenKeyId::from_stored(id),
            follows: follows.to_owned(),
            sealed_key: "sealed".to_owned(),
            created_at: seals_from,
            seals_from,
        }
    }

    fn due_at(keys: &[StoredTokenKey], worn: &str, now: i64) -> Vec<Step> {
        due(keys, |id| id.as_str() == worn, Timestamp::from_seconds(now))
    }

    #[test]
    fn a_key_is_followed_after_a_day_or_when_it_is_worn_and_only_once() {
        let first = key("tk_1", "", 0);
        let makes = vec![Step::Make(Some(first.id.clone()))];
        assert_eq!(due_at(&[], "", 0), [Step::Make(None)]);
        assert_eq!(due_at(std::slice::from_ref(&first), "", 86_399), []);
        assert_eq!(due_at(std::slice::from_ref(&first), "", 86_400), makes);
        assert_eq!(due_at(std::slice::from_ref(&first), "tk_1", 10), makes);
        // Its successor is known and does not seal yet.
        assert_eq!(due_at(&[first.clone(), key("tk_2", "tk_1", 70)], "tk_1", 60), []);
    }

    #[test]
    fn a_key_is_destroyed_when_the_longest_token_it_may_have_sealed_has_expired() {
        let keys = [key("tk_1", "", 0), key("tk_2", "tk_1", 100), key("tk_3", "tk_2", 86_000)];
        assert_eq!(due_at(&keys, "", 100 + 86_400 + 299), []);
        assert_eq!(due_at(&keys, "", 100 + 86_400 + 300), [Step::Destroy(keys[0].id.clone())]);
    }

    #[test]
    fn a_key_whose_successor_was_withdrawn_is_destroyed_all_the_same() {
        // tk_2 is gone; tk_3 seals in its place.
        let keys = [key("tk_1", "", 0), key("tk_3", "tk_2", 86_000)];
        assert_eq!(due_at(&keys, "", 86_000 + 86_399), []);
        let (destroys, makes) = (Step::Destroy(keys[0].id.clone()), Step::Make(Some(keys[1].id.clone())));
        assert_eq!(due_at(&keys, "", 86_000 + 86_400 + 300), [destroys, makes]);
    }
}
