//! Manual rotation: the published successor becomes active, the active key
//! retires, and a new successor is published.

use countersign_protocol::jose::Algorithm;

use super::{JWKS_MAX_AGE_SECONDS, SigningKeyState, StoredSigningKey, make};
use crate::app::App;
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::ids::{AuthorizationServerId, SigningKeyId};
use crate::store::ChangeKind;

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

/// Rotates the keys of one algorithm. Two rotations at once promote one key:
/// the second finds its successor gone and changes nothing.
///
/// # Errors
/// [`ChangeError::NotFound`] when the authorization server has no keys of this
/// algorithm, [`ChangeError::State`] when the successor has not been published
/// for longer than a JWK Set may be cached.
pub async fn rotate(app: &App, by: &Actor, server: &AuthorizationServerId, algorithm: Algorithm) -> Result<Rotated, ChangeError> {
    let successor = make(app, server, algorithm, SigningKeyState::Published).await?;
    let now = app.clock.now();
    let server = server.clone();
    let by = by.clone();
    let published_before = now.plus_seconds(-JWKS_MAX_AGE_SECONDS);
    let committed = app.write(move |tx| {
        Box::pin(async move {
            let keys = tx.signing_keys_of(&server).await?;
            let in_state = |state| keys.iter().find(|key| key.algorithm == algorithm && key.state == state);
            let (Some(active), Some(next)) = (in_state(SigningKeyState::Active), in_state(SigningKeyState::Published)) else {
                return Err(ChangeError::NotFound { kind: "signing key", id: format!("{algorithm} of {server}") });
            };
            if next.published_at > published_before {
                return Err(too_young(next, now));
            }
            let moved = tx.retire_signing_key(&active.id, now).await? && tx.activate_signing_key(&next.id, now).await?;
            if !moved {
                return Err(ChangeError::State("another rotation came first".to_owned()));
            }
            tx.insert_signing_key(&successor).await?;
            let event = by
                .event("signing_key.rotated", "signing_key", next.id.as_str())
                .with_detail("authorization_server_id", server.as_str())
                .with_detail("retiring", active.id.as_str());
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, successor.id.as_str(), now);
            Ok(Rotated { active: next.id.clone(), retiring: active.id.clone(), successor: successor.id })
        })
    });
    committed.await
}

fn too_young(successor: &StoredSigningKey, now: countersign_protocol::Timestamp) -> ChangeError {
    let age = now.millis_since(successor.published_at) / 1000;
    let wait = JWKS_MAX_AGE_SECONDS - age + 1;
    ChangeError::State(format!(
        "the successor {} was published {age} s ago; verifiers may cache the key set for {JWKS_MAX_AGE_SECONDS} s: rotate again in {wait} s",
        successor.id
    ))
}
