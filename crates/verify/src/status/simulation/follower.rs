//! The same for the task that follows a feed: how it begins, resumes, and what it does where
//! the stream does not work. Time is virtual.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use countersign_protocol::status::Position;
use countersign_protocol::{Clock, Timestamp};
use serde_json::json;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::{CLIENTS, HashMap, IGNORES_GAPS, Node, PLACES, Random, START, Token, seeds, signing_key, tampered};
use crate::FetchError;
use crate::status::Freshness;
use crate::status::feed::FeedWatch;
use crate::status::transport::{FollowStatus, RecordStream, StatusError, StatusFuture};
use crate::status::watch::Checked;

const STEPS: usize = 40;
const HEARTBEAT_SECONDS: i64 = 5;
/// One history costs more than one without the task.
const SEEDS_FOR_EACH: u64 = 20;

/// Virtual time, and how far a machine's clock is off.
struct MachineClock {
    started: Instant,
    off_by: AtomicI64,
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let millis = i64::try_from(self.started.elapsed().as_millis()).unwrap();
        Timestamp::from_seconds(START).plus_millis(millis + self.off_by.load(Ordering::SeqCst))
    }
}

/// What the way to the node is like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Calm,
    /// Each call and each record may meet with something.
    Rough,
    /// No stream comes through.
    Buffers,
    Down,
}

/// The node and the way to it.
struct Wire {
    inner: Mutex<Inner>,
    news: watch::Sender<()>,
}

struct Inner {
    node: Node,
    random: Random,
    mood: Mood,
    /// What was told of a place or of a mark, and at which time that was complete.
    told_at: HashMap<Revoked, Timestamp>,
    /// Every snapshot that was given, and every record.
    snapshots: Vec<String>,
    records: Vec<String>,
    asked: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Revoked {
    Place(u64),
    Mark(u64, Timestamp),
}

impl Revoked {
    /// A token that it revokes.
    fn token(self) -> Token {
        match self {
            Self::Place(place) => Token { client: CLIENTS, place, issued_at: Timestamp::from_seconds(START + 1_000_000) },
            Self::Mark(client, mark) => Token { client, place: PLACES, issued_at: mark.plus_seconds(-1) },
        }
    }
}

impl Wire {
    fn new(seed: u64) -> Arc<Self> {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let node = Node::new(&mut random);
        let (told_at, snapshots, records) = (HashMap::new(), Vec::new(), Vec::new());
        let inner = Inner { node, random, mood: Mood::Calm, told_at, snapshots, records, asked: 0 };
        Arc::new(Self { inner: Mutex::new(inner), news: watch::Sender::new(()) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Writes a record: what is pending, or a heartbeat.
    fn write(&self) {
        self.lock().write();
        self.news.send_replace(());
    }

    /// What befalls a call.
    async fn call(&self) -> Result<(), StatusError> {
        let (mood, chance, millis) = {
            let mut inner = self.lock();
            inner.asked += 1;
            (inner.mood, inner.random.below(8), inner.random.below(3_000))
        };
        match mood {
            Mood::Down => Err(failed()),
            Mood::Rough if chance == 0 => Err(failed()),
            Mood::Rough if chance == 1 => {
                sleep(Duration::from_millis(millis)).await;
                Ok(())
            }
            Mood::Calm | Mood::Rough | Mood::Buffers => Ok(()),
        }
    }

    /// The records after a position, as soon as there are some.
    async fn after(&self, position: Position) -> Result<Vec<(Position, String)>, StatusError> {
        let mut news = self.news.subscribe();
        loop {
            {
                let inner = self.lock();
                let own = inner.node.position;
                if inner.mood == Mood::Down {
                    return Err(failed());
                }
                if own.epoch != position.epoch || own.seq < position.seq {
                    return Err(StatusError::Gone);
                }
                let after: Vec<_> = inner.node.log.iter().filter(|(own, _)| own.seq > position.seq).cloned().collect();
                if !after.is_empty() {
                    return Ok(after);
                }
            }
            let _ = news.changed().await;
        }
    }
}

impl Inner {
    fn write(&mut self) {
        let text = self.node.write();
        self.records.push(text);
        self.note_told();
    }

    fn restart(&mut self) {
        self.node.restart(&mut self.random);
        self.note_told();
    }

    fn note_told(&mut self) {
        let as_of = self.node.as_of;
        let places = self.node.places.iter().map(|place| Revoked::Place(*place));
        let marks = self.node.marks.iter().map(|(client, mark)| Revoked::Mark(*client, *mark));
        for revoked in places.chain(marks) {
            self.told_at.entry(revoked).or_insert(as_of);
        }
    }

    /// What arrives of the records that were sent.
    fn arrives(&mut self, sent: &mut Vec<(Position, String)>) {
        if self.mood != Mood::Rough {
            return;
        }
        let at = usize::try_from(self.random.below(sent.len() as u64)).unwrap();
        match self.random.below(8) {
            0 => drop(sent.remove(at)),
            1 => sent.insert(at, sent[at].clone()),
            2 => sent.reverse(),
            3 => sent[at].1 = tampered(&sent[at].1, &mut self.random),
            4 => {
                let old = usize::try_from(self.random.below(self.records.len() as u64)).unwrap();
                sent[at].1.clone_from(&self.records[old]);
            }
            _ => {}
        }
    }
}

fn failed() -> StatusError {
    StatusError::Failed(FetchError::new("cut"))
}

/// How the task reaches the node.
struct Transport(Arc<Wire>);

impl FollowStatus for Transport {
    fn keys(&self) -> StatusFuture<'_, Vec<u8>> {
        Box::pin(async {
            self.0.call().await?;
            Ok(json!({ "keys": [signing_key().0.public_jwk("k")] }).to_string().into_bytes())
        })
    }

    fn snapshot(&self) -> StatusFuture<'_, String> {
        Box::pin(async {
            self.0.call().await?;
            let inner = &mut *self.0.lock();
            let text = inner.node.snapshot();
            inner.snapshots.push(text.clone());
            // What lies between may answer with what it kept: it is signed, and old.
            let old = usize::try_from(inner.random.below(inner.snapshots.len() as u64)).unwrap();
            let is_old = inner.mood == Mood::Rough && inner.random.below(3) == 0;
            let text = if is_old { inner.snapshots[old].clone() } else { text };
            Ok(if inner.mood == Mood::Rough { tampered(&text, &mut inner.random) } else { text })
        })
    }

    fn stream(&self, after: Position) -> StatusFuture<'_, Box<dyn RecordStream>> {
        Box::pin(async move {
            self.0.call().await?;
            let position = self.0.lock().node.position;
            if position.epoch != after.epoch || position.seq < after.seq {
                return Err(StatusError::Gone);
            }
            let stream: Box<dyn RecordStream> = Box::new(Stream { wire: Arc::clone(&self.0), after, unread: Vec::new() });
            Ok(stream)
        })
    }

    fn next(&self, after: Position, wait: Duration) -> StatusFuture<'_, Vec<String>> {
        Box::pin(async move {
            self.0.call().await?;
            let Ok(sent) = tokio::time::timeout(wait, self.0.after(after)).await else { return Ok(Vec::new()) };
            let mut sent = sent?;
            self.0.lock().arrives(&mut sent);
            Ok(sent.into_iter().map(|(_, text)| text).collect())
        })
    }

    fn applied(&self, _: Position, _: Duration) -> StatusFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn lists(&self) -> StatusFuture<'_, Vec<String>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn list<'a>(&'a self, _: &'a str) -> StatusFuture<'a, String> {
        Box::pin(async { Err(failed()) })
    }
}

struct Stream {
    wire: Arc<Wire>,
    after: Position,
    unread: Vec<String>,
}

impl RecordStream for Stream {
    fn next(&mut self) -> StatusFuture<'_, Option<String>> {
        Box::pin(async {
            if self.unread.is_empty() {
                let mut sent = match self.wire.after(self.after).await {
                    Ok(sent) => sent,
                    // A node that goes ends its streams.
                    Err(StatusError::Gone) => return Ok(None),
                    Err(error) => return Err(error),
                };
                if self.wire.lock().mood == Mood::Buffers {
                    return std::future::pending().await;
                }
                self.after = sent.last().map_or(self.after, |(position, _)| *position);
                self.wire.lock().arrives(&mut sent);
                self.unread = sent.into_iter().rev().map(|(_, text)| text).collect();
            }
            Ok(self.unread.pop())
        })
    }
}

/// A verifier in one history.
struct World {
    wire: Arc<Wire>,
    clock: Arc<MachineClock>,
    feed: Arc<FeedWatch>,
    file: Option<PathBuf>,
    refused: Vec<Revoked>,
}

impl World {
    fn new(seed: u64) -> Self {
        let wire = Wire::new(seed);
        let clock = Arc::new(MachineClock { started: Instant::now(), off_by: AtomicI64::new(0) });
        // Writing files costs time: not in each history.
        let name = format!("countersign-status-{}-{seed}", std::process::id());
        let file = seed.is_multiple_of(8).then(|| std::env::temp_dir().join(name));
        let feed = Self::feed(&wire, &clock, file.clone());
        Self { wire, clock, feed, file, refused: Vec::new() }
    }

    fn feed(wire: &Arc<Wire>, clock: &Arc<MachineClock>, file: Option<PathBuf>) -> Arc<FeedWatch> {
        let clock: Arc<dyn Clock> = Arc::<MachineClock>::clone(clock);
        FeedWatch::new(Arc::new(Transport(Arc::clone(wire))), clock, "default", file)
    }

    /// Another process with the same file.
    fn restart(&mut self) {
        self.feed = Self::feed(&self.wire, &self.clock, self.file.clone());
        if self.file.is_none() {
            self.refused.clear();
        }
    }

    fn checked(&self, token: &Token) -> Checked {
        self.feed.check(&token.claims(), Some("k"), self.clock.now())
    }

    /// Lets time pass, with heartbeats.
    async fn pass(&self, millis: u64) {
        let until = Instant::now() + Duration::from_millis(millis);
        loop {
            let (now, due) = {
                let inner = &mut *self.wire.lock();
                inner.node.now = self.clock.now().plus_millis(-self.clock.off_by.load(Ordering::SeqCst));
                (inner.node.now, inner.node.as_of.plus_seconds(HEARTBEAT_SECONDS))
            };
            if now >= due {
                self.wire.write();
            }
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until.min(Instant::now() + Duration::from_millis(500))).await;
        }
    }

    fn act(&mut self) {
        let chosen = self.wire.lock().random.below(16);
        if chosen == 15 {
            return self.restart();
        }
        let inner = &mut *self.wire.lock();
        match chosen {
            0..=3 => inner.node.revoke(&mut inner.random),
            4..=6 => inner.write(),
            7 => inner.restart(),
            8 => inner.mood = Mood::Down,
            9 => inner.mood = Mood::Buffers,
            10 => inner.mood = Mood::Calm,
            11..=13 => inner.mood = Mood::Rough,
            _ => {
                let seconds = i64::try_from(inner.random.below(2_000)).unwrap() - 1_000;
                self.clock.off_by.store(seconds * 1_000, Ordering::SeqCst);
            }
        }
        self.wire.news.send_replace(());
    }

    fn check(&mut self) -> Result<(), String> {
        let told_at: Vec<(Revoked, Timestamp)> = self.wire.lock().told_at.iter().map(|(what, at)| (*what, *at)).collect();
        for (revoked, told_at) in told_at {
            match self.checked(&revoked.token()) {
                Checked::Refused(_) => self.refused.push(revoked),
                Checked::Good { .. } if self.refused.contains(&revoked) => return Err(format!("{revoked:?} was refused before")),
                Checked::Good { staleness_millis } => {
                    let knows_until = self.clock.now().as_millis().saturating_sub(staleness_millis);
                    if knows_until >= told_at.as_millis() {
                        return Err(format!("{revoked:?} was told at {told_at:?}, all until {knows_until} is said to be known"));
                    }
                }
                Checked::Wait(_) => {}
            }
        }
        self.refused.sort_unstable();
        self.refused.dedup();
        for place in (0..PLACES).filter(|place| !self.wire.lock().node.places.contains(place)) {
            if let Checked::Refused(code) = self.checked(&Revoked::Place(place).token()) {
                return Err(format!("the place {place} was never revoked: {code}"));
            }
        }
        Ok(())
    }

    /// Everything works again: so does the verifier, within a minute.
    async fn heal(&mut self) -> Result<(), String> {
        self.wire.lock().mood = Mood::Calm;
        self.clock.off_by.store(0, Ordering::SeqCst);
        self.pass(60_000).await;
        self.check()?;
        let state = self.feed.mirror().state(self.clock.now());
        if state.freshness != Freshness::Fresh {
            return Err(format!("does not recover: {state:?}"));
        }
        let told: Vec<Revoked> = self.wire.lock().told_at.keys().copied().collect();
        let missed = told.into_iter().find(|revoked| !matches!(self.checked(&revoked.token()), Checked::Refused(_)));
        missed.map_or(Ok(()), |missed| Err(format!("{missed:?} is still accepted")))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = std::fs::remove_file(file);
        }
    }
}

fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(work)
}

fn run(seed: u64) -> Result<(), String> {
    in_virtual_time(async {
        let mut world = World::new(seed);
        for step in 0..STEPS {
            world.act();
            let millis = world.wire.lock().random.below(4_000);
            world.pass(millis).await;
            world.check().map_err(|error| format!("seed {seed}, step {step}: {error}"))?;
        }
        world.heal().await.map_err(|error| format!("seed {seed}, at the end: {error}"))
    })
}

#[test]
fn whatever_happens_on_the_way_the_task_takes_nothing_back_and_recovers() {
    let failures: Vec<String> = (0..seeds() / SEEDS_FOR_EACH).filter_map(|seed| run(seed).err()).take(3).collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn without_the_check_for_gaps_that_is_noticed_too() {
    IGNORES_GAPS.set(true);
    let noticed = (0..200).any(|seed| run(seed).is_err());
    IGNORES_GAPS.set(false);
    assert!(noticed, "the simulation does not notice that gaps are ignored");
}

#[test]
fn a_stream_that_is_held_back_costs_no_freshness() {
    in_virtual_time(async {
        let mut world = World::new(1);
        world.wire.lock().mood = Mood::Buffers;
        assert!(matches!(world.checked(&Revoked::Place(0).token()), Checked::Wait(_)));
        // An hour, and the stream is tried now and then.
        for _ in 0..3_600 {
            world.pass(1_000).await;
            let state = world.feed.mirror().state(world.clock.now());
            assert_eq!(state.freshness, Freshness::Fresh, "{state:?}");
            assert_eq!(state.snapshots, 1);
        }
        world.wire.lock().node.revoke(&mut Random(7));
        world.pass(5_000).await;
        world.heal().await.unwrap();
    });
}

#[test]
fn a_feed_is_not_followed_once_nobody_holds_it() {
    in_virtual_time(async {
        let world = World::new(1);
        let _ = world.checked(&Revoked::Place(0).token());
        world.pass(10_000).await;
        assert_eq!(Arc::strong_count(&world.wire), 3, "the test, the transport and the stream hold it");
        let wire = Arc::clone(&world.wire);
        drop(world);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(Arc::strong_count(&wire), 1);
    });
}

#[test]
fn what_a_file_tells_is_used_once_the_issuer_was_asked_in_vain() {
    in_virtual_time(async {
        let mut world = World::new(8);
        let revoked = Revoked::Place(3);
        let _ = world.checked(&revoked.token());
        world.pass(1_000).await;
        {
            let inner = &mut *world.wire.lock();
            inner.node.places.insert(3);
            inner.node.pending.revoked.entry("1".to_owned()).or_default().push(3);
        }
        world.wire.write();
        world.pass(1_000).await;
        assert!(matches!(world.checked(&revoked.token()), Checked::Refused(_)));

        world.wire.lock().mood = Mood::Down;
        world.restart();
        let good = Revoked::Place(4).token();
        // The file may be old: nothing is judged by it before the issuer was asked.
        assert!(matches!(world.checked(&revoked.token()), Checked::Wait(_)) && matches!(world.checked(&good), Checked::Wait(_)));
        world.pass(20_000).await;
        assert!(matches!(world.checked(&revoked.token()), Checked::Refused(_)));
        let Checked::Good { staleness_millis } = world.checked(&good) else { panic!("nothing speaks against it") };
        assert!((20_000..23_000).contains(&staleness_millis), "{staleness_millis}");

        // A file that somebody has changed tells nothing.
        let file = world.file.clone().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replacen("\neyJ", "\neyK", 1)).unwrap();
        world.restart();
        let _ = world.checked(&good);
        world.pass(5_000).await;
        assert!(matches!(world.checked(&good), Checked::Wait(_)));
    });
}
