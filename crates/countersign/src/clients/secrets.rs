//! Client secrets: made by us, shown once, stored as a keyed hash.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::{constant_time, hmac};
use countersign_protocol::jose::base64url;
use countersign_protocol::{ClientId, CredentialText, Secret, Timestamp};

use super::SecretCredential;
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, check_name};
use crate::entropy::random;
use crate::ids::{CredentialId, HashKeyId, OrganizationId};
use crate::management::{LockedClient, lock_client};
use crate::revocation::{self, Marked};
use crate::store::ChangeKind;

/// What client secrets begin with.
const PREFIX: &str = "csec";

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
    pub credential: SecretCredential,
    /// What the client must keep.
    pub text: CredentialText,
}

pub(super) fn make_secret(app: &App, label: &str, now: Timestamp) -> Result<CreatedSecret, ChangeError> {
    check_name("label", label)?;
    let entropy = app.entropy.as_ref();
    let catalog = app.catalog();
    let hasher = catalog.hashers.active().ok_or_else(|| ChangeError::State("the instance has no hash key".to_owned()))?;
    let text = CredentialText::generate(PREFIX, random(entropy), random(entropy));
    let credential = SecretCredential {
        id: CredentialId::generate(now, entropy),
        label: label.to_owned(),
        hash_key_id: hasher.id().clone(),
        hash: hasher.hash(text.expose()),
        not_before: None,
        expires_at: None,
        revoked_at: None,
    };
    Ok(CreatedSecret { credential, text })
}

/// Adds a secret to a client; the others stay.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`], [`ChangeError::ExceedsCaller`].
pub async fn create_secret(app: &App, by: &Actor, client_id: &ClientId, label: &str) -> Result<CreatedSecret, ChangeError> {
    let now = app.clock.now();
    let secret = make_secret(app, label, now)?;
    let (credential, id) = (secret.credential.clone(), client_id.clone());
    let event = by
        .event("credential.created", "credential", credential.id.as_str())
        .with_detail("client_id", id.as_str())
        .with_detail("label", label);
    let by = by.clone();
    app.write(move |tx| {
        Box::pin(async move {
            let LockedClient { client, .. } = lock_client(tx, &by, &id).await?;
            tx.insert_credential(&id, &credential, now).await?;
            tx.record_event(event.in_organization(client.organization_id.as_ref().map(OrganizationId::as_str)), now);
            tx.record_change(ChangeKind::Client, id.as_str(), now);
            Ok::<_, ChangeError>(())
        })
    })
    .await?;
    Ok(secret)
}

/// Revokes a credential of a client for good, and every token that was obtained with it.
///
/// # Errors
/// [`ChangeError::NotFound`] when the client has no such credential that is not revoked.
pub async fn revoke_credential(
    app: &App,
    by: &Actor,
    client_id: &ClientId,
    credential_id: &CredentialId,
) -> Result<(), ChangeError> {
    let (client_id, credential_id, clock) = (client_id.clone(), credential_id.clone(), Arc::clone(&app.clock));
    let event = by.event("credential.revoked", "credential", credential_id.as_str()).with_detail("client_id", client_id.as_str());
    let by = by.clone();
    let written = app.write(move |tx| {
        Box::pin(async move {
            let LockedClient { client, .. } = lock_client(tx, &by, &client_id).await?;
            let now = clock.now();
            if !tx.revoke_credential(&client_id, &credential_id, now).await? {
                return Err(ChangeError::NotFound { kind: "credential", id: credential_id.to_string() });
            }
            let marked = Marked::Credential(credential_id);
            let not_before = revocation::mark(tx, &marked, now).await?;
            tx.record_event(event.in_organization(client.organization_id.as_ref().map(OrganizationId::as_str)), now);
            tx.record_change(ChangeKind::Client, client_id.as_str(), now);
            Ok(vec![(marked, not_before)])
        })
    });
    revocation::outlast(app, written).await
}
