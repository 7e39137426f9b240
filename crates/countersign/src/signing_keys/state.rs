//! A signing key as stored, and where it is in its life.

use countersign_protocol::Timestamp;
use countersign_protocol::jose::Algorithm;

use crate::ids::{AuthorizationServerId, SigningKeyId};

/// The life of a signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SigningKeyState {
    /// Signs.
    Active,
    /// In the JWK Set, not signing yet.
    Published,
    /// In the JWK Set, not signing any more.
    Retiring,
    /// Not in the JWK Set any more; its private half has been destroyed.
    Retired,
}

impl SigningKeyState {
    const ALL: [Self; 4] = [Self::Active, Self::Published, Self::Retiring, Self::Retired];

    /// The name in storage and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Published => "published",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
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
    /// PKCS#8, sealed by the master key for this id; empty once it is retired.
    pub sealed_private_key: String,
    /// Since when it is in the JWK Set.
    pub published_at: Timestamp,
    /// Since when it signs or signed.
    pub activated_at: Option<Timestamp>,
    /// Since when it no longer signs.
    pub retiring_at: Option<Timestamp>,
    /// Since when it is no longer in the JWK Set.
    pub retired_at: Option<Timestamp>,
}
