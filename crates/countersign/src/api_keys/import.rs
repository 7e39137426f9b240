//! Importing keys that another system hashed: a batch at a time, each entry by itself.

use std::collections::{BTreeSet, HashMap, HashSet};

use countersign_protocol::Timestamp;

use super::create::without_secrets;
use super::imported::lookup_of_salted;
use super::imported_hash::{Form, Hint, ImportedHash};
use super::imports::Imports;
use super::{ApiKey, ApiKeyHash, ApiKeySecret, EVERY_KEY, NewApiKey, Permission, rights};
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, InvalidField};
use crate::ids::{ApiKeyId, CredentialId, ImportKeyId};
use crate::management::{LockedClient, lock_client};
use crate::store::{ChangeKind, MAX_CANDIDATES, StoreError, Tx};

/// Most entries of a batch.
pub const MAX_ENTRIES: usize = 1_000;
/// Most ways to find imported keys that an instance uses: each is tried with every key
/// that is presented and unknown.
const MAX_FORMS: usize = 32;
/// How often a batch is tried that meets another with the same hashes.
const MAX_ROUNDS: usize = 3;
/// Keys of a batch beyond which every node forgets all keys instead of these.
const MANY: usize = 50;

/// A key to import.
#[derive(Clone, Debug)]
pub struct ImportEntry {
    /// The hash.
    pub hash: ImportedHash,
    /// What finds it where it is salted.
    pub hint: Option<Hint>,
    /// What the key is to be. Its prefix is that of secrets that are made later.
    pub key: NewApiKey,
    /// Whether it is accepted.
    pub enabled: bool,
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The hash came in before, with this key; or would have, earlier in the batch.
    Exists(String),
    /// It is not imported: the field and why.
    Failed(&'static str, String),
    /// It is imported as this key; or would be.
    New(Option<ApiKeyId>),
}

/// A key with its secret, as it is stored.
pub(crate) struct ImportedKey {
    /// Its secrets are not here.
    pub(crate) key: ApiKey,
    pub(crate) secret: ApiKeySecret,
    /// An HMAC of the hash: says that it came in.
    pub(crate) fingerprint: String,
    pub(crate) import_key_id: Option<ImportKeyId>,
    /// What finds the secret where it is salted.
    pub(crate) hint: Option<String>,
}

/// An entry on its way, and where it stood.
struct Candidate {
    index: usize,
    form: Form,
    imported: ImportedKey,
}

/// Imports a batch. An entry that fails keeps no other from being imported; a hash that
/// came in before stays as it is.
///
/// # Errors
/// [`ChangeError`]: nothing of the batch is imported.
pub async fn import(
    app: &App,
    by: &Actor,
    entries: Vec<Result<ImportEntry, InvalidField>>,
    dry_run: bool,
) -> Result<Vec<Imported>, ChangeError> {
    for _ in 1..MAX_ROUNDS {
        match import_once(app, by, &entries, dry_run).await {
            // Another batch with one of these hashes was first: now it is there.
            Err(ChangeError::Store(StoreError::UniqueViolation)) => {}
            done => return done,
        }
    }
    import_once(app, by, &entries, dry_run).await
}

async fn import_once(
    app: &App,
    by: &Actor,
    entries: &[Result<ImportEntry, InvalidField>],
    dry_run: bool,
) -> Result<Vec<Imported>, ChangeError> {
    let now = app.clock.now();
    let mut outcomes = Vec::with_capacity(entries.len());
    let mut candidates = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        match entry.as_ref().map_err(InvalidField::clone).and_then(|entry| candidate(app, by, index, entry, now)) {
            Ok(candidate) => {
                candidates.push(candidate);
                outcomes.push(Imported::New(None));
            }
            Err(error) => outcomes.push(failed(&error)),
        }
    }
    let by = by.clone();
    app.write(move |tx| {
        Box::pin(async move {
            let mut batch = Batch { outcomes, candidates };
            batch.drop_known(tx).await?;
            batch.check_owners(tx, &by).await?;
            batch.check_forms(tx).await?;
            if !dry_run {
                batch.use_forms(tx, now).await?;
            }
            batch.settle(tx).await?;
            if !dry_run {
                batch.store(tx, &by, now).await?;
            }
            Ok(batch.outcomes)
        })
    })
    .await
}

fn candidate(app: &App, by: &Actor, index: usize, entry: &ImportEntry, now: Timestamp) -> Result<Candidate, InvalidField> {
    let catalog = app.catalog();
    if let Some(id) = entry.hash.import_key().filter(|id| !catalog.imports.keys.has(id)) {
        return Err(InvalidField::new("import_key_id", id, "an import key that is registered"));
    }
    let secret_id = CredentialId::generate(now, app.entropy.as_ref()).to_string();
    let (form, lookup) = match (entry.hash.lookup(), &entry.hint) {
        (Some(own), None) => own,
        (None, Some(hint)) => (hint.form(entry.hash.part()), lookup_of_salted(&secret_id)),
        (Some(_), Some(_)) => return Err(InvalidField::new("lookup", "given", "absent: a hash without a salt finds itself")),
        (None, None) => {
            return Err(InvalidField::new("lookup", "absent", "the first characters of the key: a salted hash is found by them"));
        }
    };
    let mut key = without_secrets(app, by, entry.key.clone(), now)?;
    key.disabled_at = (!entry.enabled).then_some(now);
    let hash = entry.hash.to_stored();
    // It stays the same as long as the instance lives.
    let hasher = catalog.hashers.oldest().ok_or_else(|| InvalidField::new("hash", "given", "an instance with a hash key"))?;
    let imported = ImportedKey {
        fingerprint: hasher.hash(&hash).to_stored(),
        import_key_id: entry.hash.import_key().cloned(),
        hint: entry.hint.as_ref().map(Hint::to_stored),
        secret: ApiKeySecret {
            id: secret_id,
            start: entry.hint.as_ref().map(|hint| hint.text().to_owned()).unwrap_or_default(),
            hash: ApiKeyHash::Imported { scheme: entry.hash.scheme().as_str().to_owned(), hash },
            lookup,
            expires_at: None,
            rotated_at: None,
            created_at: now,
            last_use: None,
        },
        key,
    };
    Ok(Candidate { index, form, imported })
}

fn failed(error: &InvalidField) -> Imported {
    Imported::Failed(error.field, error.to_string())
}

/// A batch in its transaction: what is left to import, and what became of the rest.
struct Batch {
    outcomes: Vec<Imported>,
    candidates: Vec<Candidate>,
}

/// What decides whether the caller may make a key: whose it is, for what, and what it may do.
type Grant = (String, String, Vec<String>, Vec<String>);

impl Batch {
    /// Takes out what does not stay.
    fn keep(&mut self, mut outcome_of: impl FnMut(&Candidate) -> Option<Imported>) {
        let Self { outcomes, candidates } = self;
        candidates.retain(|candidate| {
            let outcome = outcome_of(candidate);
            let stays = outcome.is_none();
            if let (Some(outcome), Some(place)) = (outcome, outcomes.get_mut(candidate.index)) {
                *place = outcome;
            }
            stays
        });
    }

    /// Hashes that came in before.
    async fn drop_known(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        let fingerprints: Vec<&str> = self.candidates.iter().map(|candidate| candidate.imported.fingerprint.as_str()).collect();
        let known = tx.imported_before(&fingerprints).await?;
        self.keep(|candidate| known.get(&candidate.imported.fingerprint).cloned().map(Imported::Exists));
        Ok(())
    }

    /// Keys that the caller may not make. Most of a batch are alike: each kind is asked once.
    async fn check_owners(&mut self, tx: &mut Tx, by: &Actor) -> Result<(), ChangeError> {
        // In one order: two batches never wait for each other.
        let kinds: BTreeSet<Grant> = self.candidates.iter().map(Candidate::grant).collect();
        let clients: BTreeSet<String> = kinds.iter().map(|(client, ..)| client.clone()).collect();
        let mut locked = HashMap::new();
        for client in clients {
            let done = lock(tx, by, &client).await?;
            locked.insert(client, done);
        }
        let mut refusals: HashMap<Grant, Imported> = HashMap::new();
        for candidate in &self.candidates {
            let kind = candidate.grant();
            if refusals.contains_key(&kind) {
                continue;
            }
            let key = &candidate.imported.key;
            let refusal = match locked.get(&kind.0) {
                None => None,
                Some(Err(refusal)) => Some(refusal.clone()),
                Some(Ok(client)) => {
                    let checked = rights::check(tx, client, &key.resource_server_id, &key.permissions, &key.roles).await;
                    refusal_of(checked, "resource_server_id")?
                }
            };
            if let Some(refusal) = refusal {
                refusals.insert(kind, refusal);
            }
        }
        self.keep(|candidate| refusals.get(&candidate.grant()).cloned());
        Ok(())
    }

    /// Forms that would be one too many.
    async fn check_forms(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        let in_use = tx.import_forms().await?.into_iter().filter(|form| Form::from_stored(form).is_some());
        let in_use: HashSet<String> = in_use.collect();
        let wanted: BTreeSet<String> = self.candidates.iter().map(|candidate| candidate.form.to_stored()).collect();
        if in_use.union(&wanted.into_iter().collect()).count() > MAX_FORMS {
            let accepted = format!("a scheme and a lookup like those in use: there are {MAX_FORMS} ways to find keys at most");
            self.keep(|candidate| {
                let is_new = !in_use.contains(&candidate.form.to_stored());
                is_new.then(|| failed(&InvalidField::new("lookup", "one more way", accepted.as_str())))
            });
        }
        Ok(())
    }

    /// Says that the forms are in use, and keeps others from adding to what a salted one finds.
    async fn use_forms(&self, tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
        let own = self.candidates.iter().map(|candidate| Imports::own_part(candidate.form.part()));
        let forms = self.candidates.iter().map(|candidate| candidate.form.to_stored());
        let all: BTreeSet<String> = own.chain(forms).collect();
        for form in all {
            if tx.use_import_form(&form, now).await? {
                tx.record_change(ChangeKind::Catalog, &form, now);
            }
            if Form::from_stored(&form).is_some_and(|form| form.is_salted()) {
                tx.hold_import_form(&form).await?;
            }
        }
        Ok(())
    }

    /// A text finds so many secrets and no more: each of them is compared. Of a hash that
    /// stands in the batch twice, the first that is imported counts.
    async fn settle(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        let hints: BTreeSet<&str> = self.candidates.iter().filter_map(|candidate| candidate.imported.hint.as_deref()).collect();
        let mut found = tx.hinted(&hints.into_iter().collect::<Vec<_>>()).await?;
        let mut settled: HashMap<String, String> = HashMap::new();
        self.keep(|Candidate { imported, .. }| {
            if let Some(earlier) = settled.get(&imported.fingerprint) {
                return Some(Imported::Exists(earlier.clone()));
            }
            if let Some(hint) = &imported.hint {
                let count = found.entry(hint.clone()).or_default();
                if *count >= MAX_CANDIDATES {
                    let accepted = format!("a text that finds at most {MAX_CANDIDATES} keys: a longer one");
                    return Some(failed(&InvalidField::new("lookup", "that of others", accepted)));
                }
                *count += 1;
            }
            settled.insert(imported.fingerprint.clone(), imported.key.id.to_string());
            None
        });
        Ok(())
    }

    async fn store(&mut self, tx: &mut Tx, by: &Actor, now: Timestamp) -> Result<(), StoreError> {
        let candidates = std::mem::take(&mut self.candidates);
        let Some(first) = candidates.first() else { return Ok(()) };
        let event = by
            .event("api_keys.imported", "api_key", first.imported.key.id.as_str())
            .with_detail("count", i64::try_from(candidates.len()).unwrap_or(i64::MAX));
        let mut imported = Vec::with_capacity(candidates.len());
        for Candidate { index, imported: one, .. } in candidates {
            if let Some(place) = self.outcomes.get_mut(index) {
                *place = Imported::New(Some(one.key.id.clone()));
            }
            imported.push(one);
        }
        tx.insert_imported_keys(&imported).await?;
        tx.record_event(event, now);
        // They may have been looked for in vain.
        if imported.len() > MANY {
            tx.record_change(ChangeKind::ApiKey, EVERY_KEY, now);
        } else {
            imported.iter().for_each(|one| tx.record_change(ChangeKind::ApiKey, &one.secret.lookup, now));
        }
        Ok(())
    }
}

impl Candidate {
    fn grant(&self) -> Grant {
        let key = &self.imported.key;
        let permissions = key.permissions.iter().map(Permission::to_string).collect();
        (key.client_id.to_string(), key.resource_server_id.to_string(), permissions, key.roles.clone())
    }
}

/// The client as it stays until the commit, or why its keys are not the caller's to make.
async fn lock(tx: &mut Tx, by: &Actor, client: &str) -> Result<Result<LockedClient, Imported>, ChangeError> {
    let Ok(id) = client.try_into() else {
        return Ok(Err(failed(&InvalidField::new("client_id", client.escape_debug(), "the id of a client"))));
    };
    match lock_client(tx, by, &id).await {
        Ok(locked) => Ok(Ok(locked)),
        Err(error) => match refusal_of(Err(error), "client_id")? {
            Some(refusal) => Ok(Err(refusal)),
            None => Err(ChangeError::State("a refusal that is none".to_owned())),
        },
    }
}

/// What is wrong with an entry; any other error is the batch's.
fn refusal_of(checked: Result<(), ChangeError>, field: &'static str) -> Result<Option<Imported>, ChangeError> {
    match checked {
        Ok(()) => Ok(None),
        Err(ChangeError::Invalid(error)) => Ok(Some(failed(&error))),
        Err(error @ ChangeError::ExceedsCaller(_)) => Ok(Some(Imported::Failed("permissions", error.to_string()))),
        Err(error @ (ChangeError::NotFound { .. } | ChangeError::LimitedToOrganization(_))) => {
            Ok(Some(Imported::Failed(field, error.to_string())))
        }
        Err(
            error @ (ChangeError::AlreadyExists { .. }
            | ChangeError::MarksOvertaken
            | ChangeError::Sealing(_)
            | ChangeError::SigningKey(_)
            | ChangeError::State(_)
            | ChangeError::Store(_)
            | ChangeError::VersionMismatch { .. }),
        ) => Err(error),
    }
}
