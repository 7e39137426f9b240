//! Object ids: a prefix, `_`, and the base32 text of a UUIDv7. Time-ordered,
//! never reused, and one type per kind of object.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use countersign_protocol::{ClientId, Timestamp};

use crate::entropy::{Entropy, random};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

macro_rules! object_ids {
    ($($(#[doc = $doc:literal])+ $name:ident = $prefix:literal;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// A fresh id.
            pub fn generate(now: Timestamp, entropy: &dyn Entropy) -> Self {
                Self(prefixed($prefix, now, entropy).into())
            }

            /// An id that was stored or configured.
            pub fn from_stored(text: &str) -> Self {
                Self(text.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

object_ids! {
    /// An API key.
    ApiKeyId = "key";
    /// An event of the audit log.
    AuditEventId = "evt";
    /// A credential; the `cred` claim of the tokens it obtains.
    CredentialId = "cred";
    /// A client grant.
    ClientGrantId = "gr";
    /// A key under which machine-made secrets are hashed.
    HashKeyId = "hk";
    /// A key under which another system made HMACs of its API keys.
    ImportKeyId = "ik";
    /// A partner company that owns clients.
    OrganizationId = "org";
    /// A resource server.
    ResourceServerId = "rs";
    /// A signing key; the `kid` of the tokens it signs.
    SigningKeyId = "sk";
    /// A stream of security events.
    SsfStreamId = "ssf";
    /// A key that signs status feeds; the `kid` of their records.
    StatusFeedKeyId = "st";
    /// A key under which opaque tokens are sealed.
    TokenKeyId = "tk";
}

impl ApiKeyId {
    /// The key as the credential that obtained a token: its `cred`.
    pub fn as_credential(&self) -> CredentialId {
        CredentialId(self.0.clone())
    }

    /// The key that a `cred` names; `None`: it names another kind of credential.
    pub fn of_credential(id: &CredentialId) -> Option<Self> {
        Self::parse(id.as_str())
    }

    /// An id that may be of something else.
    pub fn parse(text: &str) -> Option<Self> {
        text.starts_with("key_").then(|| Self(text.into()))
    }
}

impl TokenKeyId {
    /// What follows the prefix: it names the key in the tokens that it sealed.
    pub(crate) fn random_part(&self) -> &str {
        self.0.split_once('_').map_or(&*self.0, |(_, random)| random)
    }
}

impl AuditEventId {
    /// The id of the event at a place in the chain: its random part is drawn from what
    /// is before it, because a transaction has no source of randomness.
    pub(crate) fn in_chain(at: Timestamp, seq: i64, previous: &str) -> Self {
        let digest = digest(&SHA256, format!("{seq} {previous}").as_bytes());
        let mut bytes = [0; 16];
        for (byte, drawn) in bytes.iter_mut().zip(digest.as_ref()) {
            *byte = *drawn;
        }
        Self(format!("evt_{}", base32(uuid_v7(at, bytes))).into())
    }
}

/// The identifier of an authorization server, chosen by its creator: it is part
/// of the issuer URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorizationServerId(Box<str>);

impl AuthorizationServerId {
    /// The text of [`AuthorizationServerId::default_server`].
    pub const DEFAULT: &str = "default";

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An id that was stored.
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The authorization server that is also reached at the root of every base URL.
    pub fn default_server() -> Self {
        Self(Self::DEFAULT.into())
    }

    /// Checks an id: `[a-z0-9][a-z0-9_-]{1,62}`, and not `v1`.
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
        let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let fits = (2..=63).contains(&text.len()) && starts_well && text.bytes().all(legal);
        (fits && text != "v1").then(|| Self(text.into()))
    }
}

impl fmt::Display for AuthorizationServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A fresh client id, for clients whose creator gives none.
pub fn generate_client_id(now: Timestamp, entropy: &dyn Entropy) -> Option<ClientId> {
    ClientId::try_from(prefixed("cli", now, entropy).as_str()).ok()
}

/// The client id of an identity, which follows from what it is called: two that are created
/// at once meet. `number` counts those that had the external id before.
pub(crate) fn identity_client_id(organization: Option<&OrganizationId>, external_id: &str, number: u32) -> Option<ClientId> {
    let organization = organization.map(OrganizationId::as_str).unwrap_or_default();
    let digest = digest(&SHA256, format!("identity {number} {organization} {external_id}").as_bytes());
    let (first, _) = digest.as_ref().split_first_chunk()?;
    ClientId::try_from(format!("idn_{}", base32(u128::from_be_bytes(*first))).as_str()).ok()
}

fn prefixed(prefix: &str, now: Timestamp, entropy: &dyn Entropy) -> String {
    format!("{prefix}_{}", base32(uuid_v7(now, random(entropy))))
}

/// RFC 9562 section 5.7: 48 bits of milliseconds, version 7, variant 2, random bits.
fn uuid_v7(now: Timestamp, random: [u8; 16]) -> u128 {
    let millis = u128::from(now.as_millis().unsigned_abs()) & ((1 << 48) - 1);
    let random = u128::from_be_bytes(random) & ((1 << 80) - 1);
    let versioned = (random & !(0xf << 76)) | (7 << 76);
    let variant = (versioned & !(0b11 << 62)) | (0b10 << 62);
    millis << 80 | variant
}

fn base32(number: u128) -> String {
    let digit = |shift: u32| usize::try_from((number >> shift) & 31).ok().and_then(|index| ALPHABET.get(index)).copied();
    (0..26).rev().filter_map(|place| digit(place * 5)).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn ids_sort_by_time_and_never_repeat() {
        let entropy = SeededEntropy::new(1);
        let early = CredentialId::generate(Timestamp::from_seconds(1_000), &entropy);
        let late = CredentialId::generate(Timestamp::from_seconds(1_001), &entropy);
        assert!(early < late);
        assert_ne!(late, CredentialId::generate(Timestamp::from_seconds(1_001), &entropy));
        assert_eq!(late.as_str().len(), "cred_".len() + 26);
    }

    #[test]
    fn authorization_server_ids_are_checked() {
        for text in ["default", "a1", "0-a_b"] {
            assert!(AuthorizationServerId::parse(text).is_some(), "{text}");
        }
        for text in ["", "a", "v1", "-a", "_a", "A1", ".well-known", "a/b", "a.b", &"a".repeat(64)] {
            assert!(AuthorizationServerId::parse(text).is_none(), "{text}");
        }
    }
}
