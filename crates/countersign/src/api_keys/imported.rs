//! Finding an imported key by what is presented, and giving it a hash of our own when it
//! is used for the first time.
//!
//! The ways in use are tried from the cheapest to the dearest: by our own hash, by the
//! digests, by a text that comes with a salted hash. Last, once more by our own hash in
//! the database: it may have been made since the first look.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use countersign_protocol::Secret;
use countersign_protocol::jose::base64url;

use super::imported_hash::{Form, ImportedHash, KeyPart, may_be_a_key};
use super::imports::Imports;
use super::slow_hashes::TooManyHashes;
use super::{ApiKey, ApiKeyHash, ApiKeySecret, FindKeyError, FoundKey};
use crate::app::App;
use crate::catalog::SecretHashers;
use crate::clients::{SecretHash, SecretHasher};
use crate::ids::HashKeyId;
use crate::source_address::SourceAddress;
use crate::store::{ChangeKind, StoreError};

/// A hash of our own for an imported secret.
#[derive(Clone)]
pub(crate) struct OwnHash {
    /// What was hashed, as the secret's scheme says it.
    pub(crate) scheme: &'static str,
    pub(crate) hash_key_id: HashKeyId,
    pub(crate) hash: SecretHash,
    pub(crate) lookup: String,
}

/// The scheme of an imported secret that has a hash of our own of all of it.
pub(crate) const OWN_SCHEME: &str = "hmac";
/// The same of what follows its last `_`.
pub(crate) const OWN_LONG_SCHEME: &str = "hmac-long";

impl OwnHash {
    /// A hash of this part under this hash key; `None`: the key has no such part.
    pub(crate) fn of(hasher: &SecretHasher, part: KeyPart, presented: &str) -> Option<Self> {
        let hash = hasher.hash(part.of(presented)?);
        let bytes = base64url::decode(&hash.to_stored())?;
        let scheme = match part {
            KeyPart::Long => OWN_LONG_SCHEME,
            KeyPart::Whole => OWN_SCHEME,
        };
        let lookup = Form::Own(hasher.id().clone(), part).lookup_of(&bytes);
        Some(Self { scheme, hash_key_id: hasher.id().clone(), hash, lookup })
    }

    /// Every hash of our own that a presented key may have.
    fn all(hashers: &SecretHashers, parts: &[KeyPart], presented: &str) -> Vec<Self> {
        let of_part = |part: &KeyPart| hashers.iter().filter_map(|hasher| Self::of(hasher, *part, presented)).collect::<Vec<_>>();
        parts.iter().flat_map(of_part).collect()
    }
}

/// The text by which a secret with a salted hash is found once its id is known.
pub(crate) fn lookup_of_salted(secret_id: &str) -> String {
    format!("salted:{secret_id}")
}

/// Finds the imported key with this text, whatever its state. `source` is whose failures
/// are counted, if anybody's.
///
/// # Errors
/// [`FindKeyError`].
pub(crate) async fn find_imported(app: &App, presented: &str, source: Option<IpAddr>) -> Result<Option<FoundKey>, FindKeyError> {
    let catalog = app.catalog();
    if catalog.imports.parts.is_empty() || !may_be_a_key(presented) {
        return Ok(None);
    }
    let own = OwnHash::all(&catalog.hashers, &catalog.imports.parts, presented);
    for own in &own {
        if let Some(found) = find_own(app, own).await? {
            return Ok(Some(found));
        }
    }
    for form in &catalog.imports.cheap {
        let Some(lookup) = form.lookup(presented, &catalog.imports.keys) else { continue };
        let Some(key) = app.find_api_key(&lookup).await? else { continue };
        let Some((secret, hash)) = imported_secret(&key, &lookup) else { continue };
        if hash.matches(presented, &catalog.imports.keys) {
            let found = FoundKey { secret_id: secret.id.clone(), key: Arc::clone(&key) };
            hash_anew(app, &found, (&lookup, &hash), presented).await;
            return Ok(Some(found));
        }
    }
    if let Some(found) = find_salted(app, &catalog.imports, presented, source).await? {
        return Ok(Some(found));
    }
    find_own_in_store(app, &own).await
}

async fn find_own(app: &App, own: &OwnHash) -> Result<Option<FoundKey>, StoreError> {
    let Some(key) = app.find_api_key(&own.lookup).await? else { return Ok(None) };
    Ok(own_secret(&key, own).map(|secret| FoundKey { secret_id: secret.id.clone(), key: Arc::clone(&key) }))
}

fn own_secret<'a>(key: &'a ApiKey, own: &OwnHash) -> Option<&'a ApiKeySecret> {
    let secret = key.secrets.iter().find(|secret| secret.lookup == own.lookup)?;
    let is_own = match &secret.hash {
        ApiKeyHash::Keyed { hash, .. } => hash.equals(&own.hash),
        ApiKeyHash::Imported { scheme, hash } => {
            *scheme == OWN_LONG_SCHEME && SecretHash::from_stored(hash).is_some_and(|hash| hash.equals(&own.hash))
        }
    };
    is_own.then_some(secret)
}

fn imported_secret<'a>(key: &'a ApiKey, lookup: &str) -> Option<(&'a ApiKeySecret, ImportedHash)> {
    let secret = key.secrets.iter().find(|secret| secret.lookup == lookup)?;
    match &secret.hash {
        ApiKeyHash::Keyed { .. } => None,
        ApiKeyHash::Imported { hash, .. } => ImportedHash::from_stored(hash).map(|hash| (secret, hash)),
    }
}

async fn find_salted(
    app: &App,
    imports: &Imports,
    presented: &str,
    source: Option<IpAddr>,
) -> Result<Option<FoundKey>, FindKeyError> {
    let mut hints: Vec<String> = imports.salted.iter().filter_map(|form| form.lookup(presented, &imports.keys)).collect();
    hints.sort();
    hints.dedup();
    for hint in hints {
        let asked = hint.clone();
        let secrets = app.store.read(move |session| Box::pin(async move { session.hinted_secrets(&asked).await }));
        let secrets: Vec<String> = secrets.await.map_err(|error: StoreError| error)?;
        if secrets.is_empty() {
            continue;
        }
        let attempt = Attempt { app, hint: &hint, source: source.map(SourceAddress::new) };
        attempt.admit()?;
        for secret_id in secrets {
            let lookup = lookup_of_salted(&secret_id);
            let Some(key) = app.find_api_key(&lookup).await? else { continue };
            let Some((_, hash)) = imported_secret(&key, &lookup) else { continue };
            if matches_slowly(app, imports, &hash, presented).await? {
                let found = FoundKey { secret_id, key: Arc::clone(&key) };
                hash_anew(app, &found, (&lookup, &hash), presented).await;
                return Ok(Some(found));
            }
        }
        attempt.failed();
    }
    Ok(None)
}

async fn matches_slowly(app: &App, imports: &Imports, hash: &ImportedHash, presented: &str) -> Result<bool, TooManyHashes> {
    let (hash, keys, presented) = (hash.clone(), Arc::clone(&imports.keys), Secret::new(presented.to_owned()));
    app.slow_hashes.run(move || hash.matches(presented.expose(), &keys)).await
}

/// What is presented to a salted hash from one address, within its budget.
struct Attempt<'a> {
    app: &'a App,
    hint: &'a str,
    source: Option<SourceAddress>,
}

impl Attempt<'_> {
    fn admit(&self) -> Result<(), FindKeyError> {
        let Some(source) = self.source else { return Ok(()) };
        self.app.limits.admit_imported(source, self.hint, self.app.clock.now()).map_err(FindKeyError::TooManyFailures)
    }

    fn failed(&self) {
        if let Some(source) = self.source {
            self.app.limits.record_imported_failure(source, self.hint, self.app.clock.now());
        }
    }
}

/// By what the database has at this moment: what is in memory may be from before the key
/// was hashed anew.
async fn find_own_in_store(app: &App, own: &[OwnHash]) -> Result<Option<FoundKey>, FindKeyError> {
    for own in own {
        let lookup = own.lookup.clone();
        let read = app.store.read(move |session| Box::pin(async move { session.find_api_key_by_lookup(&lookup).await }));
        let key: Option<ApiKey> = read.await.map_err(|error: StoreError| error)?;
        if let Some(key) = key
            && let Some(secret) = own_secret(&key, own)
        {
            return Ok(Some(FoundKey { secret_id: secret.id.clone(), key: Arc::new(key) }));
        }
    }
    Ok(None)
}

/// Gives the secret a hash of our own. What is presented is right whether or not that
/// succeeds; the next use tries again.
async fn hash_anew(app: &App, found: &FoundKey, (lookup, from): (&str, &ImportedHash), presented: &str) {
    if !from.covers(presented) {
        return;
    }
    let catalog = app.catalog();
    let Some(own) = catalog.hashers.active().and_then(|hasher| OwnHash::of(hasher, from.part(), presented)) else { return };
    let (secret_id, lookup, from, now) = (found.secret_id.clone(), lookup.to_owned(), from.to_stored(), app.clock.now());
    let written = app.write(move |tx| {
        Box::pin(async move {
            if tx.hash_anew(&secret_id, &from, &own).await? {
                for stale in [&lookup, &own.lookup] {
                    tx.record_change(ChangeKind::ApiKey, stale, now);
                }
            }
            Ok::<_, StoreError>(())
        })
    });
    match written.await {
        // The same key came in under two hashes, and the other one has been used.
        Ok(()) | Err(StoreError::UniqueViolation) => {}
        Err(error) => {
            tracing::warn!(error = %crate::log::chain(&error), key.id = %found.key.id, "an imported key is not hashed anew yet");
        }
    }
}

impl fmt::Debug for OwnHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnHash").field("scheme", &self.scheme).field("hash_key_id", &self.hash_key_id).finish_non_exhaustive()
    }
}
