//! Signing keys: one active and one published successor per authorization
//! server and algorithm, private halves sealed by the master key.

mod pool;
mod ring;
mod rotate;

use countersign_protocol::Timestamp;
use countersign_protocol::jose::{Algorithm, SigningKey, SigningKeyError};

use crate::app::App;
use crate::change::{ChangeError, MAX_TOKEN_LIFETIME_SECONDS};
use crate::ids::{AuthorizationServerId, SigningKeyId};

pub use pool::{SignError, SigningPool};
pub use ring::{KeyRing, KeySetDocument, ParsedKey};
pub use rotate::{Rotated, rotate};

/// How long a JWK Set may be cached, in seconds. A successor signs only after it
/// has been published for longer than this.
pub const JWKS_MAX_AGE_SECONDS: i64 = 300;

/// The life of a signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SigningKeyState {
    /// Signs.
    Active,
    /// In the JWK Set, not signing yet.
    Published,
    /// In the JWK Set, not signing any more.
    Retiring,
}

impl SigningKeyState {
    /// The name in storage and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Published => "published",
            Self::Retiring => "retiring",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Published, Self::Retiring].into_iter().find(|state| state.as_str() == name)
    }
}

/// A signing key as stored.
#[derive(Clone, Debug)]
pub struct StoredSigningKey {
    /// Its id, the `kid`.
    pub id: SigningKeyId,
    /// Whose key it is.
    pub authorization_server_id: AuthorizationServerId,
    /// The one algorithm it signs with.
    pub algorithm: Algorithm,
    /// Where in its life it is.
    pub state: SigningKeyState,
    /// PKCS#8, sealed by the master key for this id.
    pub sealed_private_key: String,
    /// Since when it is in the JWK Set.
    pub published_at: Timestamp,
    /// Since when it signs or signed.
    pub activated_at: Option<Timestamp>,
    /// Since when it no longer signs.
    pub retiring_at: Option<Timestamp>,
}

impl StoredSigningKey {
    /// Whether every token it signed has expired, wherever the key set was cached:
    /// it is no longer published.
    pub fn is_retired(&self, now: Timestamp) -> bool {
        let needed_seconds = MAX_TOKEN_LIFETIME_SECONDS + JWKS_MAX_AGE_SECONDS;
        self.retiring_at.is_some_and(|retiring_at| retiring_at.plus_seconds(needed_seconds) <= now)
    }
}

/// Makes the first two keys for an algorithm: one active, one published.
pub(crate) async fn make_pair(
    app: &App,
    server: &AuthorizationServerId,
    algorithm: Algorithm,
) -> Result<Vec<StoredSigningKey>, ChangeError> {
    // Side by side: RSA keys take a fraction of a second each.
    let (active, successor) = tokio::join!(
        make(app, server, algorithm, SigningKeyState::Active),
        make(app, server, algorithm, SigningKeyState::Published)
    );
    Ok(vec![active?, successor?])
}

async fn make(
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
    })
}
