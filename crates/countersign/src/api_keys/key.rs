//! What an API key is.

use countersign_protocol::{ClientId, Timestamp};
use serde_json::{Map, Value};

use super::{Permission, Use};
use crate::clients::SecretHash;
use crate::config::Network;
use crate::counters::{LimitRule, StoredCredits};
use crate::ids::{ApiKeyId, HashKeyId, ResourceServerId};

/// A credential of a client for one resource server. It is proven by one of its secrets.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is. A client that is disabled or gone takes its keys along.
    pub client_id: ClientId,
    /// What it is for.
    pub resource_server_id: ResourceServerId,
    /// For people.
    pub name: String,
    /// What its text begins with.
    pub prefix: String,
    /// What its owner calls it elsewhere.
    pub external_id: Option<String>,
    /// What its owner wants to know of it.
    pub metadata: Map<String, Value>,
    /// What it may do, beside what its roles give.
    pub permissions: Vec<Permission>,
    /// The names of its roles.
    pub roles: Vec<String>,
    /// Where it is accepted from; empty: from anywhere.
    pub allowed_networks: Vec<Network>,
    /// How much it may be used in a time, beside what limits its client's keys together.
    pub limits: Vec<LimitRule>,
    /// How often it may be used yet, as it was when it was read; `None`: without a bound.
    pub credits: Option<StoredCredits>,
    /// Not accepted from this instant on.
    pub expires_at: Option<Timestamp>,
    /// Not accepted while this is set.
    pub disabled_at: Option<Timestamp>,
    /// Never accepted again once this is set.
    pub revoked_at: Option<Timestamp>,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// By whom, as [`Actor::name`](crate::audit::Actor::name) says it.
    pub created_by: String,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Its secrets, oldest first.
    pub secrets: Vec<ApiKeySecret>,
}

/// A secret of an API key.
#[derive(Clone, Debug)]
pub struct ApiKeySecret {
    /// Its id; of one that we made: the 12 characters of id in its text, safe to log.
    pub id: String,
    /// How its text begins: the prefix and four characters of its id.
    pub start: String,
    /// What is known of it.
    pub hash: ApiKeyHash,
    /// What it is found by.
    pub lookup: String,
    /// Not accepted from this instant on.
    pub expires_at: Option<Timestamp>,
    /// When another took its place; it has a deadline since.
    pub rotated_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its last use that is written, at most some seconds ago.
    pub last_use: Option<Use>,
}

/// What is known of a secret.
#[derive(Clone, Debug)]
pub enum ApiKeyHash {
    /// We made it: a keyed hash.
    Keyed {
        /// Which key the hash was made under.
        hash_key_id: HashKeyId,
        /// HMAC-SHA-256 of the text.
        hash: SecretHash,
    },
    /// Another system made it, and this hash.
    Imported {
        /// How.
        scheme: String,
        /// The hash as it was imported.
        hash: String,
    },
}

/// The states of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApiKeyState {
    /// It is accepted.
    Active,
    /// Not until it is enabled.
    Disabled,
    /// Its end has come.
    Expired,
    /// Never again.
    Revoked,
}

impl ApiKeyState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Active, Self::Disabled, Self::Expired, Self::Revoked];

    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// Reads [`ApiKeyState::as_str`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

impl ApiKey {
    /// Its state. What is more lasting comes first.
    pub fn state(&self, now: Timestamp) -> ApiKeyState {
        if self.revoked_at.is_some() {
            ApiKeyState::Revoked
        } else if self.disabled_at.is_some() {
            ApiKeyState::Disabled
        } else if self.expires_at.is_some_and(|end| end <= now) {
            ApiKeyState::Expired
        } else {
            ApiKeyState::Active
        }
    }
}

impl ApiKeySecret {
    /// Whether it is accepted, as far as it alone goes.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}
