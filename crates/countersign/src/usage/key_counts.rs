//! Verdicts about API keys that are counted and not written yet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use countersign_protocol::Timestamp;
use prometheus_client::metrics::counter::Counter;

use super::Interval;
use crate::api_keys::{Verdict, VerdictCode};
use crate::change::InvalidField;
use crate::config::UsageConfig;
use crate::jobs::backlog::Backlog;
use crate::store::{StoreError, Tx};

/// Parts of the map that are locked one by one.
const SHARDS: usize = 16;
/// Most counters of a part that wait to be gathered.
const MAX_COUNTERS: usize = 16_384;
/// The same for a counter of a tag: tags without number take no other key's place.
const MAX_COUNTERS_WITH_TAGS: usize = 8_192;
/// Most rows that wait to be written.
const MAX_UNWRITTEN: usize = 524_288;
/// Most tags of a verification.
const MAX_TAGS: usize = 20;
/// Longest tag, in characters.
const MAX_TAG_CHARS: usize = 128;

/// A counter, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUsageRow {
    /// Which key; empty: none was found.
    pub key_id: String,
    /// How long the time is that it is about.
    pub interval: Interval,
    /// When that began.
    pub started_at: Timestamp,
    /// What the verdicts were.
    pub outcome: VerdictCode,
    /// The tag that the requests had; empty: all requests, whatever their tags.
    pub tag: String,
    /// Whose key it is.
    pub client_id: String,
    /// What the key is for.
    pub resource_server_id: String,
    /// How often, and at what cost.
    pub sums: Sums,
}

/// What is summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many verdicts.
    pub requests: i64,
    /// How many credits were spent.
    pub credits: i64,
}

impl Sums {
    const fn add(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.credits = self.credits.saturating_add(other.credits);
    }
}

impl KeyUsageRow {
    /// What two nodes that write at once lock rows in the order of.
    fn place(&self) -> (Interval, &str, Timestamp, &str, &str) {
        (self.interval, &self.key_id, self.started_at, self.outcome.as_str(), &self.tag)
    }
}

/// Checks the tags of a verification.
///
/// # Errors
/// [`InvalidField`].
pub fn check_tags(tags: &[String]) -> Result<(), InvalidField> {
    if tags.len() > MAX_TAGS {
        return Err(InvalidField::new("tags", tags.len(), format!("at most {MAX_TAGS}")));
    }
    let is_tag = |tag: &&String| (1..=MAX_TAG_CHARS).contains(&tag.chars().count()) && !tag.chars().any(char::is_control);
    match tags.iter().find(|tag| !is_tag(tag)) {
        Some(tag) => Err(InvalidField::new("tags", tag.escape_debug(), format!("1 to {MAX_TAG_CHARS} characters each"))),
        None => Ok(()),
    }
}

/// The counters that wait to be written.
pub struct KeyUsageCounts {
    shards: [Mutex<Shard>; SHARDS],
    /// What is to be written next.
    unwritten: Mutex<Vec<KeyUsageRow>>,
    writing: tokio::sync::Mutex<()>,
    kept: UsageConfig,
    metric: Counter,
    /// The same since somebody was told.
    not_told: AtomicU64,
}

#[derive(Default)]
struct Shard {
    keys: HashMap<String, OfKey>,
    counters: usize,
}

#[derive(Default)]
struct OfKey {
    client_id: String,
    resource_server_id: String,
    all: Vec<Cell>,
    tagged: HashMap<String, Vec<Cell>>,
}

/// A minute with an outcome.
struct Cell {
    minute: Timestamp,
    outcome: VerdictCode,
    sums: Sums,
}

impl KeyUsageCounts {
    /// Nothing counted. `not_counted` counts what there is no room for.
    pub fn new(kept: UsageConfig, not_counted: Counter) -> Self {
        Self {
            shards: Default::default(),
            unwritten: Mutex::default(),
            writing: tokio::sync::Mutex::new(()),
            kept,
            metric: not_counted,
            not_told: AtomicU64::new(0),
        }
    }

    /// How long counters are kept.
    pub const fn kept(&self) -> UsageConfig {
        self.kept
    }

    /// Counts a verdict on a request that had these tags. `cost` was spent if the key is valid
    /// and its credits are counted.
    pub(crate) fn count(&self, verdict: &Verdict, tags: &[String], cost: u64, at: Timestamp) {
        let spent = if verdict.is_valid() && verdict.credits.is_some() { i64::try_from(cost).unwrap_or(i64::MAX) } else { 0 };
        let cell =
            || Cell { minute: Interval::Minute.start_of(at), outcome: verdict.code, sums: Sums { requests: 1, credits: spent } };
        let id = verdict.key.as_ref().map_or("", |key| key.id.as_str());
        let Some(shard) = self.shards.get(shard_of(id)) else { return };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let Shard { keys, counters } = &mut *shard;
        if !keys.contains_key(id) {
            if *counters >= MAX_COUNTERS {
                return self.lose(1);
            }
            let of = verdict.key.as_ref().map_or_else(OfKey::default, |key| OfKey {
                client_id: key.client_id.to_string(),
                resource_server_id: key.resource_server_id.to_string(),
                ..OfKey::default()
            });
            keys.insert(id.to_owned(), of);
        }
        let Some(of) = keys.get_mut(id) else { return };
        if !add(&mut of.all, cell(), counters, MAX_COUNTERS) {
            return self.lose(1);
        }
        for (place, tag) in tags.iter().enumerate() {
            if tags.iter().take(place).any(|before| before == tag) {
                continue;
            }
            if *counters >= MAX_COUNTERS_WITH_TAGS && !of.tagged.contains_key(tag) {
                self.lose(1);
                continue;
            }
            // Mostly there already: then nothing is copied.
            let cells = match of.tagged.get_mut(tag) {
                Some(cells) => cells,
                None => of.tagged.entry(tag.clone()).or_default(),
            };
            if !add(cells, cell(), counters, MAX_COUNTERS_WITH_TAGS) {
                self.lose(1);
            }
        }
    }

    /// How many counts were lost since this was asked last, because too many waited.
    pub(crate) fn take_not_counted(&self) -> u64 {
        self.not_told.swap(0, Ordering::Relaxed)
    }

    fn lose(&self, counts: u64) {
        self.metric.inc_by(counts);
        self.not_told.fetch_add(counts, Ordering::Relaxed);
    }

    /// Takes what was counted, for every interval that is kept.
    fn counted(&self) -> Vec<KeyUsageRow> {
        let intervals: Vec<Interval> = Interval::ALL.into_iter().filter(|interval| self.kept.keeps_key_usage(*interval)).collect();
        let mut rows = Vec::new();
        for shard in &self.shards {
            let taken = std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
            for (key_id, of) in taken.keys {
                of.into_rows(&key_id, &intervals, &mut rows);
            }
        }
        rows
    }

    /// What does not fit is not counted; minutes first, because hours and days have them too.
    fn shorten(&self, waiting: &mut Vec<KeyUsageRow>) {
        let excess = waiting.len().saturating_sub(MAX_UNWRITTEN);
        let lost: i64 = waiting.drain(..excess).map(|row| row.sums.requests).sum();
        if lost > 0 {
            self.lose(lost.unsigned_abs());
        }
    }
}

impl OfKey {
    fn into_rows(self, key_id: &str, intervals: &[Interval], rows: &mut Vec<KeyUsageRow>) {
        let Self { client_id, resource_server_id, all, tagged } = self;
        for (tag, cells) in std::iter::once((String::new(), all)).chain(tagged) {
            for cell in cells {
                rows.extend(intervals.iter().map(|interval| KeyUsageRow {
                    key_id: key_id.to_owned(),
                    interval: *interval,
                    started_at: interval.start_of(cell.minute),
                    outcome: cell.outcome,
                    tag: tag.clone(),
                    client_id: client_id.clone(),
                    resource_server_id: resource_server_id.clone(),
                    sums: cell.sums,
                }));
            }
        }
    }
}

/// Whether there was room for it.
fn add(cells: &mut Vec<Cell>, new: Cell, counters: &mut usize, most: usize) -> bool {
    if let Some(known) = cells.iter_mut().find(|known| known.minute == new.minute && known.outcome == new.outcome) {
        known.sums.add(new.sums);
        return true;
    }
    if *counters >= most {
        return false;
    }
    *counters += 1;
    cells.push(new);
    true
}

/// The end of an id is random.
fn shard_of(key_id: &str) -> usize {
    usize::from(key_id.bytes().next_back().unwrap_or_default()) % SHARDS
}

impl Backlog for KeyUsageCounts {
    type Row = KeyUsageRow;

    fn gather(&self) -> usize {
        let counted = self.counted();
        let mut waiting = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(counted);
        waiting.sort_by(|a, b| a.place().cmp(&b.place()));
        waiting.dedup_by(|next, kept| {
            let is_same = next.place() == kept.place();
            if is_same {
                kept.sums.add(next.sums);
            }
            is_same
        });
        self.shorten(&mut waiting);
        waiting.len()
    }

    fn take(&self, most: usize) -> Vec<KeyUsageRow> {
        let mut waiting = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = waiting.len().saturating_sub(most);
        waiting.split_off(rest)
    }

    fn give_back(&self, rows: Vec<KeyUsageRow>) {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).extend(rows);
    }

    fn writing(&self) -> &tokio::sync::Mutex<()> {
        &self.writing
    }

    async fn write(tx: &mut Tx, row: &KeyUsageRow) -> Result<(), StoreError> {
        tx.add_key_usage(row).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn counts() -> KeyUsageCounts {
        KeyUsageCounts::new(UsageConfig::default(), Counter::default())
    }

    fn unknown(counts: &KeyUsageCounts, tags: &[&str], at: Timestamp) {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        counts.count(&Verdict::not_found(None), &tags, 1, at);
    }

    fn taken(counts: &KeyUsageCounts) -> Vec<(Interval, String, i64)> {
        counts.gather();
        let row = |row: KeyUsageRow| (row.interval, row.tag, row.sums.requests);
        counts.take(usize::MAX).into_iter().map(row).collect()
    }

    #[test]
    fn a_request_counts_once_and_once_for_each_of_its_tags() {
        let counts = counts();
        unknown(&counts, &["a", "b", "a"], NOW);
        unknown(&counts, &["b"], NOW.plus_seconds(60));
        let hours: Vec<_> = taken(&counts).into_iter().filter(|(interval, ..)| *interval == Interval::Hour).collect();
        let hour = |tag: &str, requests| (Interval::Hour, tag.to_owned(), requests);
        assert_eq!(hours, [hour("", 2), hour("a", 1), hour("b", 2)]);
        assert!(taken(&counts).is_empty());
    }

    #[test]
    fn tags_without_number_take_no_memory_without_bound_and_what_is_lost_is_told() {
        let counts = counts();
        for number in 0..MAX_COUNTERS + 10 {
            unknown(&counts, &[&number.to_string()], NOW);
        }
        // One counter is that of all requests.
        let lost = u64::try_from(MAX_COUNTERS + 10 - (MAX_COUNTERS_WITH_TAGS - 1)).unwrap();
        assert_eq!(counts.take_not_counted(), lost);
        assert_eq!((counts.take_not_counted(), counts.metric.get()), (0, lost));
        let all = i64::try_from(MAX_COUNTERS + 10).unwrap();
        let rows = taken(&counts);
        assert_eq!(rows.iter().find(|(_, tag, _)| tag.is_empty()), Some(&(Interval::Minute, String::new(), all)));
    }

    #[test]
    fn while_the_database_is_away_the_longer_intervals_are_kept_first() {
        let counts = counts();
        let minute = |number: usize| KeyUsageRow {
            key_id: format!("key_{number:08}"),
            interval: Interval::Minute,
            started_at: NOW,
            outcome: VerdictCode::Valid,
            tag: String::new(),
            client_id: String::new(),
            resource_server_id: String::new(),
            sums: Sums { requests: 1, credits: 0 },
        };
        counts.give_back((0..MAX_UNWRITTEN).map(minute).collect());
        unknown(&counts, &[], NOW);
        assert_eq!((counts.gather(), counts.take_not_counted()), (MAX_UNWRITTEN, 3));
        let longer = |row: &KeyUsageRow| row.interval != Interval::Minute;
        assert_eq!(counts.take(usize::MAX).into_iter().filter(longer).count(), 2);
    }

    #[test]
    fn what_is_given_back_is_added_to_what_came_since() {
        let counts = counts();
        unknown(&counts, &[], NOW);
        counts.gather();
        let rows = counts.take(usize::MAX);
        unknown(&counts, &[], NOW);
        counts.give_back(rows);
        assert!(taken(&counts).iter().all(|(.., requests)| *requests == 2));
    }

    #[test]
    fn tags_are_few_and_short() {
        let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
        assert!(check_tags(&tags(&["path=/orders", "\u{e9}"])).is_ok());
        assert!(check_tags(&tags(&[""])).is_err());
        assert!(check_tags(&tags(&["a\nb"])).is_err());
        assert!(check_tags(&tags(&[&"a".repeat(128)])).is_ok());
        assert!(check_tags(&tags(&[&"a".repeat(129)])).is_err());
        assert!(check_tags(&vec!["a".to_owned(); 21]).is_err());
    }
}
