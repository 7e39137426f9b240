//! Rotating a key in place: a new secret, and a deadline for the old. The key stays what
//! it is: its id, its permissions, and what is counted of it.

use std::sync::Arc;

use countersign_protocol::{CredentialText, Timestamp};

use super::ApiKey;
use super::locked::{self, LockedKey, lock};
use super::text::make_secret;
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, InvalidField};
use crate::clients::MAX_OVERLAP_SECONDS;
use crate::ids::ApiKeyId;
use crate::revocation::outlast;

/// What came of a rotation.
#[derive(Debug)]
pub struct RotatedApiKey {
    /// The key, with the new secret.
    pub key: ApiKey,
    /// What its owner must keep.
    pub text: CredentialText,
    /// When the old secret ends.
    pub previous_expires_at: Timestamp,
}

/// Gives a key a new secret; every older one ends `overlap_seconds` later at the latest, and
/// so do the tokens that it was exchanged for.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`], [`ChangeError::ExceedsCaller`], and
/// [`ChangeError::State`] for a key that is revoked or expired, and with an overlap while
/// the secret before the present one is still accepted.
pub async fn rotate(app: &App, by: &Actor, id: &ApiKeyId, overlap_seconds: i64) -> Result<RotatedApiKey, ChangeError> {
    if !(0..=MAX_OVERLAP_SECONDS).contains(&overlap_seconds) {
        return Err(InvalidField::new("overlap_seconds", overlap_seconds, format!("0 to {MAX_OVERLAP_SECONDS}")).into());
    }
    let now = app.clock.now();
    let prefix = super::find(app, id).await?.prefix;
    let (secret, text) = make_secret(app, &prefix, now)?;
    let end = now.plus_seconds(overlap_seconds);
    let event = by
        .event("api_key.rotated", "api_key", id.as_str())
        .with_detail("secret_id", secret.id.as_str())
        .with_detail("overlap_seconds", overlap_seconds);
    let (by, id, clock) = (by.clone(), id.clone(), Arc::clone(&app.clock));
    let written = app.commit(move |tx| {
        Box::pin(async move {
            let LockedKey { mut key, client } = lock(tx, &by, &id).await?;
            check_rotatable(&key, overlap_seconds, now)?;
            tx.end_api_key_secrets(&id, now, end).await?;
            tx.insert_api_key_secret(&id, &secret).await?;
            for old in key.secrets.iter_mut().filter(|old| old.expires_at.is_none_or(|own| own > end)) {
                old.rotated_at.get_or_insert(now);
                old.expires_at = Some(end);
            }
            key.secrets.push(secret);
            key.version = tx.touch_api_key(&id, now).await?.ok_or_else(|| locked::not_found(&id))?;
            key.updated_at = now;
            tx.record_event(event.in_organization(client.client.owner()), now);
            locked::record_change(tx, &key, now);
            // Every token until now was obtained with a secret that ends at once.
            let marks = if overlap_seconds == 0 { locked::mark(tx, &key, clock.now()).await? } else { Vec::new() };
            Ok::<_, ChangeError>((key, marks))
        })
    });
    let key = outlast(app, written).await?;
    Ok(RotatedApiKey { key, text, previous_expires_at: end })
}

fn check_rotatable(key: &ApiKey, overlap_seconds: i64, now: Timestamp) -> Result<(), ChangeError> {
    let reason = if key.revoked_at.is_some() {
        "the key is revoked: create another"
    } else if key.expires_at.is_some_and(|end| end <= now) {
        "the key has expired: give it a later end first"
    } else if overlap_seconds > 0 && key.secrets.iter().any(|secret| secret.rotated_at.is_some() && secret.is_live(now)) {
        "the key was rotated already, and its former secret is still accepted: wait for its end, or end both with overlap_seconds 0"
    } else {
        return Ok(());
    };
    Err(ChangeError::State(reason.to_owned()))
}
