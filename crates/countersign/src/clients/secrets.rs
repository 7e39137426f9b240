//! Client secrets: made by us, shown once, stored as a keyed hash.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use countersign_protocol::jose::base64url;
use countersign_protocol::{ClientId, CredentialText, Secret, Timestamp};

use super::credentials::{check_times, store_new};
use super::{Credential, CredentialKind};
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, check_name};
use crate::entropy::random;
use crate::ids::{CredentialId, HashKeyId};

/// What client secrets begin with.
pub const SECRET_PREFIX: &str = "csec";

/// HMAC-SHA-256 of a machine-made secret: 256 bits of entropy need no slow hash.
#[derive(Clone, Debug)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The stored form.
    pub fn to_stored(&self) -> String {
        base64url::encode(&self.0)
    }

    /// Reads the stored form.
    pub fn from_stored(text: &str) -> Option<Self> {
        base64url::decode(text)?.try_into().ok().map(Self)
    }

    /// Compares in constant time.
    pub fn equals(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

/// Hashes secrets under one hash key.
#[derive(Clone)]
pub struct SecretHasher {
    id: HashKeyId,
    key: hmac::Key,
}

impl SecretHasher {
    /// A hasher from an opened hash key.
    pub fn new(id: HashKeyId, key: &Secret<Vec<u8>>) -> Self {
        Self { id, key: hmac::Key::new(hmac::HMAC_SHA256, key.expose()) }
    }

    /// The hash key's id.
    pub const fn id(&self) -> &HashKeyId {
        &self.id
    }

    /// Hashes a presented or generated secret.
    pub fn hash(&self, secret: &str) -> SecretHash {
        let tag = hmac::sign(&self.key, secret.as_bytes());
        let mut hash = [0; 32];
        for (byte, computed) in hash.iter_mut().zip(tag.as_ref()) {
            *byte = *computed;
        }
        SecretHash(hash)
    }
}

impl fmt::Debug for SecretHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretHasher").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A new secret: the only moment its text exists.
#[derive(Debug)]
pub struct CreatedSecret {
    /// What is stored.
    pub credential: Credential,
    /// What the client must keep.
    pub text: CredentialText,
}

/// What a new secret is to be.
#[derive(Clone, Debug)]
pub struct NewSecret {
    /// For people.
    pub label: String,
    /// Not accepted before.
    pub not_before: Option<Timestamp>,
    /// Not accepted from this instant on.
    pub expires_at: Option<Timestamp>,
}

/// A secret with this label, at once and without an end.
impl From<&str> for NewSecret {
    fn from(label: &str) -> Self {
        Self { label: label.to_owned(), not_before: None, expires_at: None }
    }
}

pub(super) fn make_secret(app: &App, by: &Actor, new: NewSecret, now: Timestamp) -> Result<CreatedSecret, ChangeError> {
    check_name("label", &new.label)?;
    check_times(new.not_before, new.expires_at, now)?;
    let entropy = app.entropy.as_ref();
    let catalog = app.catalog();
    let hasher = catalog.hashers.active().ok_or_else(|| ChangeError::State("the instance has no hash key".to_owned()))?;
    let text = CredentialText::generate(SECRET_PREFIX, random(entropy), random(entropy));
    let credential = Credential {
        id: CredentialId::generate(now, entropy),
        label: new.label,
        kind: CredentialKind::Secret { hash_key_id: hasher.id().clone(), hash: hasher.hash(text.expose()) },
        not_before: new.not_before,
        expires_at: new.expires_at,
        rotated_at: None,
        revoked_at: None,
        created_at: now,
        created_by: Some(by.name()),
    };
    Ok(CreatedSecret { credential, text })
}

/// Adds a secret to a client; the others stay.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`], [`ChangeError::State`] for a
/// client that has too many credentials.
pub async fn create_secret(
    app: &App,
    by: &Actor,
    client_id: &ClientId,
    new: impl Into<NewSecret>,
) -> Result<CreatedSecret, ChangeError> {
    let secret = make_secret(app, by, new.into(), app.clock.now())?;
    store_new(app, by, client_id, &secret.credential).await?;
    Ok(secret)
}
