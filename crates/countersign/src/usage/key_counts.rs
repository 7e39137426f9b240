//! Verdicts about API keys that are counted and not written yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_protocol::Timestamp;
use prometheus_client::metrics::counter::Counter;

use super::Interval;
use crate::api_keys::{Verdict, VerdictCode};
use crate::change::InvalidField;
use crate::config::UsageConfig;
use crate::jobs::backlog::Backlog;
use crate::store::{StoreError, Tx};

/// Parts of the map that are locked, and gathered, one by one.
const SHARDS: usize = 64;
/// Most counters of a part that wait to be gathered.
const MAX_COUNTERS: usize = 4_096;
/// The same for a counter of a tag: tags without number take no other key's place.
const MAX_COUNTERS_WITH_TAGS: usize = 2_048;
/// Most rows of an interval that wait to be written: what all parts can hold. Of longer
/// intervals there are fewer, so while the database is away minutes are lost first.
const MAX_UNWRITTEN: usize = SHARDS * MAX_COUNTERS;
/// Most tags of a verification.
const MAX_TAGS: usize = 20;
/// Longest tag, in characters.
const MAX_TAG_CHARS: usize = 128;

/// A counter, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUsageRow {
    /// Which key; empty: none was found.
    pub key_id: Arc<str>,
    /// How long the time is that it is about.
    pub interval: Interval,
    /// When that began.
    pub started_at: Timestamp,
    /// What the verdicts were.
    pub outcome: VerdictCode,
    /// The tag that the requests had; empty: all requests, whatever their tags.
    pub tag: Arc<str>,
    /// Whose key it is.
    pub client_id: Arc<str>,
    /// What the key is for.
    pub resource_server_id: Arc<str>,
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
    unwritten: Mutex<Unwritten>,
    writing: tokio::sync::Mutex<()>,
    kept: UsageConfig,
    metric: Counter,
    /// The same since somebody was told.
    not_told: AtomicU64,
}

/// Rows by interval and place: two nodes that write at once lock them in one order.
type Unwritten = BTreeMap<Interval, BTreeMap<Place, Rest>>;

/// What tells the rows of an interval apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    key_id: Arc<str>,
    started_at: Timestamp,
    outcome: VerdictCode,
    tag: Arc<str>,
}

/// What else a row says.
struct Rest {
    client_id: Arc<str>,
    resource_server_id: Arc<str>,
    sums: Sums,
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
            shards: std::array::from_fn(|_| Mutex::default()),
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

    fn unwritten(&self) -> MutexGuard<'_, Unwritten> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What does not fit is not counted.
    fn put(&self, waiting: &mut Unwritten, rows: impl IntoIterator<Item = KeyUsageRow>) {
        let mut lost = 0;
        for KeyUsageRow { key_id, interval, started_at, outcome, tag, client_id, resource_server_id, sums } in rows {
            let rows = waiting.entry(interval).or_default();
            let place = Place { key_id, started_at, outcome, tag };
            if let Some(known) = rows.get_mut(&place) {
                known.sums.add(sums);
            } else if rows.len() < MAX_UNWRITTEN {
                rows.insert(place, Rest { client_id, resource_server_id, sums });
            } else {
                lost += sums.requests.unsigned_abs();
            }
        }
        if lost > 0 {
            self.lose(lost);
        }
    }
}

impl OfKey {
    fn into_rows(self, key_id: &str, intervals: &[Interval], rows: &mut Vec<KeyUsageRow>) {
        let Self { client_id, resource_server_id, all, tagged } = self;
        // Rows of one key share them.
        let [key_id, client_id, resource_server_id] = [key_id, &client_id, &resource_server_id].map(Arc::<str>::from);
        for (tag, cells) in std::iter::once((String::new(), all)).chain(tagged) {
            let tag = Arc::<str>::from(tag);
            for cell in cells {
                rows.extend(intervals.iter().map(|interval| KeyUsageRow {
                    key_id: Arc::clone(&key_id),
                    interval: *interval,
                    started_at: interval.start_of(cell.minute),
                    outcome: cell.outcome,
                    tag: Arc::clone(&tag),
                    client_id: Arc::clone(&client_id),
                    resource_server_id: Arc::clone(&resource_server_id),
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

/// The end of an id is random; one character of it has five bits.
fn shard_of(key_id: &str) -> usize {
    key_id.bytes().rev().take(2).fold(0, |sum, byte| sum * 37 + usize::from(byte)) % SHARDS
}

impl Backlog for KeyUsageCounts {
    type Row = KeyUsageRow;
    const PARTS: usize = SHARDS;

    fn gather(&self, part: usize) -> usize {
        let counted = self.shards.get(part).map(|shard| std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner)));
        let intervals: Vec<Interval> = Interval::ALL.into_iter().filter(|interval| self.kept.keeps_key_usage(*interval)).collect();
        let mut rows = Vec::new();
        for (key_id, of) in counted.into_iter().flat_map(|shard| shard.keys) {
            of.into_rows(&key_id, &intervals, &mut rows);
        }
        let mut waiting = self.unwritten();
        self.put(&mut waiting, rows);
        waiting.values().map(BTreeMap::len).sum()
    }

    fn take(&self, most: usize) -> Vec<KeyUsageRow> {
        let mut waiting = self.unwritten();
        let next = || {
            let (interval, rows) =
                waiting.iter_mut().map(|(interval, rows)| (*interval, rows)).find(|(_, rows)| !rows.is_empty())?;
            let (Place { key_id, started_at, outcome, tag }, Rest { client_id, resource_server_id, sums }) = rows.pop_first()?;
            Some(KeyUsageRow { key_id, interval, started_at, outcome, tag, client_id, resource_server_id, sums })
        };
        std::iter::from_fn(next).take(most).collect()
    }

    fn give_back(&self, rows: Vec<KeyUsageRow>) {
        self.put(&mut self.unwritten(), rows);
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

    fn gather(counts: &KeyUsageCounts) -> usize {
        (0..SHARDS).fold(0, |_, part| counts.gather(part))
    }

    fn taken(counts: &KeyUsageCounts) -> Vec<(Interval, String, i64)> {
        gather(counts);
        let row = |row: KeyUsageRow| (row.interval, row.tag.to_string(), row.sums.requests);
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
            key_id: format!("key_{number:08}").into(),
            interval: Interval::Minute,
            started_at: NOW,
            outcome: VerdictCode::Valid,
            tag: Arc::from(""),
            client_id: Arc::from(""),
            resource_server_id: Arc::from(""),
            sums: Sums { requests: 1, credits: 0 },
        };
        counts.give_back((0..MAX_UNWRITTEN).map(minute).collect());
        unknown(&counts, &[], NOW);
        assert_eq!((gather(&counts), counts.take_not_counted()), (MAX_UNWRITTEN + 2, 1));
        let longer = |row: &KeyUsageRow| row.interval != Interval::Minute;
        assert_eq!(counts.take(usize::MAX).into_iter().filter(longer).count(), 2);
    }

    #[test]
    fn what_is_given_back_is_added_to_what_came_since() {
        let counts = counts();
        unknown(&counts, &[], NOW);
        gather(&counts);
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
