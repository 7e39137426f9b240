//! Making keys and storing them.

use countersign_protocol::jose::{Algorithm, SigningKey, SigningKeyError};

use super::{SigningKeyState, StoredSigningKey};
use crate::app::App;
use crate::change::ChangeError;
use crate::ids::{AuthorizationServerId, SigningKeyId};

/// Makes the first two keys for an algorithm: one active, one published.
pub(crate) async fn make_pair(
    app: &App,
    server: &AuthorizationServerId,
    algorithm: Algorithm,
) -> Result<[StoredSigningKey; 2], ChangeError> {
    // Side by side: RSA keys take a fraction of a second each.
    let (active, successor) = tokio::join!(
        make(app, server, algorithm, SigningKeyState::Active),
        make(app, server, algorithm, SigningKeyState::Published)
    );
    Ok([active?, successor?])
}

pub(super) async fn make(
    app: &App,
    server: &AuthorizationServerId,
    algorithm: Algorithm,
    state: SigningKeyState,
) -> Result<StoredSigningKey, ChangeError> {
    let generated = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm)).await;
    let pkcs8 = generated.map_err(|_| SigningKeyError::Crypto)??;
    let now = app.clock.now();
    let id = SigningKeyId::generate(now, app.entropy.as_ref());
    Ok(StoredSigningKey {
        sealed_private_key: app.master_key.seal(id.as_str(), &pkcs8)?,
        id,
        authorization_server_id: server.clone(),
        algorithm,
        state,
        published_at: now,
        activated_at: (state == SigningKeyState::Active).then_some(now),
        retiring_at: None,
        retired_at: None,
    })
}
