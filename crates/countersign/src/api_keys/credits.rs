//! Changing the credits of a key. They hang on the key: a rotation changes nothing of them.

use countersign_protocol::Timestamp;

use super::ApiKey;
use super::locked::{self, LockedKey, lock, not_found};
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, InvalidField};
use crate::counters::{Credits, CreditsChange, CreditsError, MAX_CREDITS, apply_credits};
use crate::ids::ApiKeyId;
use crate::store::Tx;

/// Changes the credits of a key.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`], [`ChangeError::ExceedsCaller`],
/// [`ChangeError::State`] for a revoked key, and for a change of credits that are not counted.
pub async fn change_credits(app: &App, by: &Actor, id: &ApiKeyId, change: CreditsChange) -> Result<ApiKey, ChangeError> {
    let now = app.clock.now();
    let event = by.event("api_key.credits_changed", "api_key", id.as_str());
    let (by, id) = (by.clone(), id.clone());
    app.write(move |tx| {
        Box::pin(async move {
            let LockedKey { client, .. } = lock(tx, &by, &id).await?;
            let left = apply_credits(tx, &id, change, now).await.map_err(|error| refused(error, &change))?;
            let revoked = || ChangeError::State("the key is revoked: it is not changed any more".to_owned());
            tx.touch_api_key(&id, now).await?.ok_or_else(revoked)?;
            let left = left.map_or_else(|| "unlimited".to_owned(), |left| left.to_string());
            tx.record_event(event.with_detail("credits", left).in_organization(client.client.owner()), now);
            let key = tx.find_api_key(&id).await?.ok_or_else(|| not_found(&id))?;
            locked::record_change(tx, &key, now);
            Ok(key)
        })
    })
    .await
}

/// Sets what the credits of a key are to be; `None`: not counted.
pub(super) async fn set(tx: &mut Tx, id: &ApiKeyId, credits: Option<Credits>, now: Timestamp) -> Result<(), ChangeError> {
    let Some(Credits { remaining, refill }) = credits else {
        return Ok(tx.delete_credits(id).await?);
    };
    for change in [CreditsChange::Set(remaining), CreditsChange::Refill(refill)] {
        apply_credits(tx, id, change, now).await.map_err(|error| refused(error, &change))?;
    }
    Ok(())
}

/// Checks credits before anything is changed.
pub(super) fn check(credits: Option<&Credits>) -> Result<(), InvalidField> {
    match credits {
        Some(credits) if !credits.is_within_bounds() => Err(out_of_bounds(credits.remaining)),
        Some(_) | None => Ok(()),
    }
}

fn refused(error: CreditsError, change: &CreditsChange) -> ChangeError {
    match (error, change) {
        (
            CreditsError::OutOfBounds,
            CreditsChange::Set(value) | CreditsChange::Increment(value) | CreditsChange::Decrement(value),
        ) => out_of_bounds(*value).into(),
        (CreditsError::OutOfBounds, _) => InvalidField::new("refill", "out of bounds", bounds()).into(),
        (CreditsError::Unlimited, _) => ChangeError::State("the key's credits are not counted: set them first".to_owned()),
        (CreditsError::Store(error), _) => error.into(),
    }
}

fn out_of_bounds(value: i64) -> InvalidField {
    InvalidField::new("credits", value, bounds())
}

fn bounds() -> String {
    format!("0 to {MAX_CREDITS}, also in sum; a day of a month is 1 to 31")
}
