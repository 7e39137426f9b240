//! Counters that are not written yet.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use countersign_protocol::{ClientId, ErrorCode, Timestamp};
use prometheus_client::metrics::counter::Counter;

use super::day_of;
use crate::ids::{CredentialId, ResourceServerId};
use crate::jobs::backlog::Backlog;
use crate::store::{StoreError, Tx};

/// Parts of the map that are locked one by one.
const SHARDS: usize = 16;
/// Most credentials of a part whose counters wait to be written.
const MAX_CREDENTIALS: usize = 16_384;
/// Most refusals that are told apart until they are written.
const MAX_REFUSED: usize = 65_536;
/// Most counters that wait while the database is away.
const MAX_UNWRITTEN: usize = 262_144;

/// What a client did that got a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A token was made.
    Issued,
    /// A token was asked for that the client held already, with most of its life left.
    Needless,
    /// A live token was handed out once more.
    Reused,
}

impl Kind {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Needless => "needless",
            Self::Reused => "reused",
        }
    }
}

/// How often something happened, and between which instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// How often.
    pub requests: i64,
    /// The first time.
    pub first_at: Timestamp,
    /// The last time.
    pub last_at: Timestamp,
}

/// A counter, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// Whose.
    pub client_id: String,
    /// Days since 1970, UTC.
    pub day: i64,
    /// `issued`, `needless`, `reused`, or the code of a refusal.
    pub kind: String,
    /// By which credential; empty: the client was named and not authenticated.
    pub credential_id: String,
    /// For which resource server; empty: a refusal.
    pub resource_server_id: String,
    /// How often, and when.
    pub tally: Tally,
}

impl UsageRow {
    /// What two nodes that write at once lock rows in the order of.
    fn place(&self) -> (&str, i64, &str, &str, &str) {
        (&self.client_id, self.day, &self.kind, &self.credential_id, &self.resource_server_id)
    }
}

/// The counters that wait to be written.
pub struct UsageCounts {
    granted: [Mutex<HashMap<CredentialId, OfCredential>>; SHARDS],
    refused: Mutex<HashMap<RefusedBy, Tally>>,
    /// What is to be written next.
    unwritten: Mutex<Vec<UsageRow>>,
    writing: tokio::sync::Mutex<()>,
    not_counted: Counter,
}

struct OfCredential {
    client_id: ClientId,
    counters: Vec<(ResourceServerId, i64, Kind, Tally)>,
}

#[derive(PartialEq, Eq, Hash)]
struct RefusedBy {
    client_id: String,
    credential_id: Option<CredentialId>,
    code: &'static str,
    day: i64,
}

impl Tally {
    const fn once(at: Timestamp) -> Self {
        Self { requests: 1, first_at: at, last_at: at }
    }

    fn count(&mut self, at: Timestamp) {
        self.requests += 1;
        self.first_at = self.first_at.min(at);
        self.last_at = self.last_at.max(at);
    }
}

impl UsageCounts {
    /// Nothing counted. `not_counted` counts what there is no room for.
    pub fn new(not_counted: Counter) -> Self {
        Self {
            granted: Default::default(),
            refused: Mutex::default(),
            unwritten: Mutex::default(),
            writing: tokio::sync::Mutex::new(()),
            not_counted,
        }
    }

    /// Counts `kinds` of a client that was given a token.
    pub fn granted(&self, client: &ClientId, credential: &CredentialId, api: &ResourceServerId, kinds: &[Kind], at: Timestamp) {
        let day = day_of(at);
        let Some(shard) = self.granted.get(shard_of(credential)) else { return };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shard.get_mut(credential) {
            return kinds.iter().for_each(|kind| known.count(api, day, *kind, at));
        }
        if shard.len() >= MAX_CREDENTIALS {
            self.not_counted.inc();
            return;
        }
        let mut new = OfCredential { client_id: client.clone(), counters: Vec::new() };
        kinds.iter().for_each(|kind| new.count(api, day, *kind, at));
        shard.insert(credential.clone(), new);
    }

    /// Counts a refusal of a client that was named; `credential`: it was authenticated.
    pub fn refused(&self, client_id: &str, credential: Option<&CredentialId>, code: ErrorCode, at: Timestamp) {
        let credential_id = credential.cloned();
        let by = RefusedBy { client_id: client_id.to_owned(), credential_id, code: code.as_str(), day: day_of(at) };
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = refused.get_mut(&by) {
            known.count(at);
        } else if refused.len() < MAX_REFUSED {
            refused.insert(by, Tally::once(at));
        } else {
            self.not_counted.inc();
        }
    }

    /// Takes what was counted.
    fn counted(&self) -> Vec<UsageRow> {
        let mut rows = Vec::new();
        for shard in &self.granted {
            let taken = std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
            rows.extend(taken.into_iter().flat_map(|(credential, counted)| counted.into_rows(&credential)));
        }
        let refused = std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner));
        rows.extend(refused.into_iter().map(|(by, tally)| by.into_row(tally)));
        rows
    }
}

impl Backlog for UsageCounts {
    type Row = UsageRow;

    fn gather(&self, _: usize) -> usize {
        let counted = self.counted();
        let mut waiting = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(counted);
        waiting.sort_by(|a, b| a.place().cmp(&b.place()));
        waiting.dedup_by(|next, kept| {
            let is_same = next.place() == kept.place();
            if is_same {
                kept.tally.add(next.tally);
            }
            is_same
        });
        waiting.len()
    }

    fn take(&self, most: usize) -> Vec<UsageRow> {
        let mut waiting = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = waiting.len().saturating_sub(most);
        waiting.split_off(rest)
    }

    /// Beyond a bound it is not counted.
    fn give_back(&self, rows: Vec<UsageRow>) {
        let mut waiting = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            if waiting.len() < MAX_UNWRITTEN {
                waiting.push(row);
            } else {
                self.not_counted.inc_by(row.tally.requests.unsigned_abs());
            }
        }
    }

    fn writing(&self) -> &tokio::sync::Mutex<()> {
        &self.writing
    }

    async fn write(tx: &mut Tx, row: &UsageRow) -> Result<(), StoreError> {
        tx.add_client_usage(row).await
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.first_at = self.first_at.min(other.first_at);
        self.last_at = self.last_at.max(other.last_at);
    }
}

/// The end of an id is random.
fn shard_of(credential: &CredentialId) -> usize {
    usize::from(credential.as_str().bytes().next_back().unwrap_or_default()) % SHARDS
}

impl OfCredential {
    fn count(&mut self, api: &ResourceServerId, day: i64, kind: Kind, at: Timestamp) {
        let is_it = |(known, of, what, _): &&mut (ResourceServerId, i64, Kind, Tally)| known == api && *of == day && *what == kind;
        match self.counters.iter_mut().find(is_it) {
            Some((.., tally)) => tally.count(at),
            None => self.counters.push((api.clone(), day, kind, Tally::once(at))),
        }
    }

    fn into_rows(self, credential: &CredentialId) -> Vec<UsageRow> {
        let Self { client_id, counters } = self;
        let row = |(api, day, kind, tally): (ResourceServerId, i64, Kind, Tally)| UsageRow {
            client_id: client_id.to_string(),
            day,
            kind: kind.as_str().to_owned(),
            credential_id: credential.to_string(),
            resource_server_id: api.to_string(),
            tally,
        };
        counters.into_iter().map(row).collect()
    }
}

impl RefusedBy {
    fn into_row(self, tally: Tally) -> UsageRow {
        UsageRow {
            client_id: self.client_id,
            day: self.day,
            kind: self.code.to_owned(),
            credential_id: self.credential_id.map(|id| id.to_string()).unwrap_or_default(),
            resource_server_id: String::new(),
            tally,
        }
    }
}
