//! Which algorithms an authorization server signs with. A new one is published
//! before it signs; one that is in use is not removed.

use countersign_protocol::Timestamp;
use countersign_protocol::jose::Algorithm;

use super::{MIN_PUBLICATION_SECONDS, SigningKeyState, StoredSigningKey, make, make_pair};
use crate::app::App;
use crate::audit::Actor;
use crate::catalog::LoadedAuthorizationServer;
use crate::change::ChangeError;
use crate::ids::{AuthorizationServerId, SigningKeyId};
use crate::instance::hold_master_key;
use crate::store::{ChangeKind, StoreError, Tx};

/// An algorithm that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The key that was published.
    pub published: SigningKeyId,
    /// When it begins to sign; its successor is published then.
    pub signs_from: Timestamp,
}

/// Publishes the first key of an algorithm. It signs once no cached key set is
/// without it; only then resource servers may use the algorithm.
///
/// # Errors
/// [`ChangeError::NotFound`] for the authorization server, [`ChangeError::State`]
/// when it has the algorithm.
pub async fn add_algorithm(
    app: &App,
    by: &Actor,
    server: &AuthorizationServerId,
    algorithm: Algorithm,
) -> Result<Added, ChangeError> {
    if app.catalog().authorization_server(server).is_none() {
        return Err(ChangeError::NotFound { kind: "authorization server", id: server.to_string() });
    }
    let key = make::make(app, server, algorithm, SigningKeyState::Published).await?;
    let (by, master_key, now) = (by.clone(), app.master_key.clone(), key.published_at);
    let has_it = ChangeError::State(format!("`{server}` has keys for {algorithm} already"));
    let written = app.write(move |tx| {
        Box::pin(async move {
            let held = hold_master_key::<ChangeError>(tx, &master_key).await?;
            let keys = tx.signing_keys_of(&key.authorization_server_id).await?;
            let is_live = |other: &StoredSigningKey| matches!(other.state, SigningKeyState::Active | SigningKeyState::Published);
            if keys.iter().any(|other| other.algorithm == algorithm && is_live(other)) {
                return Err(StoreError::UniqueViolation.into());
            }
            tx.insert_signing_key(&held, &key).await?;
            let event = by
                .event("signing_key.algorithm_added", "authorization_server", key.authorization_server_id.as_str())
                .with_detail("signing_alg", algorithm.as_str())
                .with_detail("published", key.id.as_str());
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, key.id.as_str(), now);
            Ok(Added { published: key.id, signs_from: now.plus_seconds(MIN_PUBLICATION_SECONDS) })
        })
    });
    let added = written.await;
    // Two at once: the second finds the first one's key.
    if matches!(added, Err(ChangeError::Store(StoreError::UniqueViolation))) { Err(has_it) } else { added }
}

/// Stops signing with an algorithm that nothing uses. The key that signed stays in
/// the JWK Set until its last token has expired. Returns the keys concerned.
///
/// # Errors
/// [`ChangeError::NotFound`] when there are no keys, [`ChangeError::State`] when the
/// authorization server or one of its resource servers uses the algorithm.
pub async fn remove_algorithm(
    app: &App,
    by: &Actor,
    server: &AuthorizationServerId,
    algorithm: Algorithm,
) -> Result<Vec<SigningKeyId>, ChangeError> {
    let (by, server, now) = (by.clone(), server.clone(), app.clock.now());
    let written = app.write(move |tx| {
        Box::pin(async move {
            // From here on no resource server begins to use it.
            tx.hold_active_signing_key(&server, algorithm).await?;
            let users = tx.users_of_algorithm(&server, algorithm).await?;
            if !users.is_empty() {
                return Err(ChangeError::State(format!("{algorithm} is used by {}", users.join(", "))));
            }
            let mut removed = Vec::new();
            for key in tx.signing_keys_of(&server).await?.iter().filter(|key| key.algorithm == algorithm) {
                let done = match key.state {
                    SigningKeyState::Active => tx.stop_signing_key(&key.id, now).await?,
                    // It never signed: nothing needs it.
                    SigningKeyState::Published => tx.retire_signing_key(&key.id, key.state, now).await?,
                    SigningKeyState::Retiring | SigningKeyState::Retired => false,
                };
                if done {
                    removed.push(key.id.clone());
                }
            }
            if removed.is_empty() {
                return Err(ChangeError::NotFound { kind: "signing key", id: format!("{algorithm} of {server}") });
            }
            let event = by
                .event("signing_key.algorithm_removed", "authorization_server", server.as_str())
                .with_detail("signing_alg", algorithm.as_str());
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, server.as_str(), now);
            Ok(removed)
        })
    });
    written.await
}

/// The keys that a resource server which is to use `algorithm` brings along: a pair
/// that signs at once while the authorization server is so new that no key set of it
/// is in a cache for longer than it may be; otherwise none.
pub(crate) async fn first_keys(
    app: &App,
    server: &LoadedAuthorizationServer,
    algorithm: Algorithm,
) -> Result<Vec<StoredSigningKey>, ChangeError> {
    let is_new = server.created_at.plus_seconds(MIN_PUBLICATION_SECONDS) > app.clock.now();
    if server.keys.active(algorithm).is_some() || !is_new {
        return Ok(Vec::new());
    }
    Ok(make_pair(app, &server.id, algorithm).await?.into())
}

/// Requires, until the commit, that the authorization server signs with `algorithm`:
/// whatever comes to use an algorithm calls this in its transaction.
///
/// # Errors
/// [`ChangeError::State`] that says what to do.
pub async fn hold_active(
    tx: &mut Tx,
    server: &AuthorizationServerId,
    algorithm: Algorithm,
    now: Timestamp,
) -> Result<(), ChangeError> {
    if tx.hold_active_signing_key(server, algorithm).await?.is_some() {
        return Ok(());
    }
    let keys = tx.signing_keys_of(server).await?;
    let first = keys.iter().find(|key| key.algorithm == algorithm && key.state == SigningKeyState::Published);
    Err(ChangeError::State(match first {
        Some(first) => {
            let wait = MIN_PUBLICATION_SECONDS - now.millis_since(first.published_at) / 1000;
            format!("`{server}` does not sign with {algorithm} yet: its first key {} begins in {} s", first.id, wait.max(0))
        }
        None => format!(
            "`{server}` does not sign with {algorithm}: publish a key with `signing-key add --authorization-server {server} \
             --signing-alg {algorithm}`, which signs {MIN_PUBLICATION_SECONDS} s later"
        ),
    }))
}
