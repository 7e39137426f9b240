//! Following a feed: a snapshot, the stream, and what is done where there is none.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use countersign_protocol::status::{ChainDigest, FeedError, FeedKeys, Record, Snapshot};
use countersign_protocol::{Clock, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use super::file::StatusFile;
use super::list_watch::verify_list;
use super::mirror::Mirror;
use super::transport::{FollowStatus, RecordStream, StatusError};
use crate::FetchError;
use crate::builder::random_numbers;
use crate::keys::KeyCache;

/// A stream without a record for so long does not work: two heartbeats and a bit, so that it
/// is heard again before what is known is stale.
const SILENCE: Duration = Duration::from_secs(11);
/// After so long without a first record the feed is heard in the other way too.
const FIRST_RECORD: Duration = Duration::from_secs(6);
/// Streams that brought nothing before it is tried without.
const MAX_SILENT_STREAMS: u32 = 2;
/// For how long it is tried without, one wait after the other: about ten minutes of heartbeats.
const WAITS_BEFORE_STREAM: u32 = 120;
/// How long an answer is waited for.
const WAIT: Duration = Duration::from_secs(20);
/// The pause after a failure, doubled for each, and its bound.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// Failures after which the status lists are read, and how often that is done.
const FAILURES_BEFORE_LISTS: u32 = 2;
const LISTS_INTERVAL: Duration = Duration::from_secs(60);
/// How long they may take: the stream may be back meanwhile.
const LISTS_TIMEOUT: Duration = Duration::from_secs(10);
/// An older record is applied and not confirmed.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(60);
/// For how long a list that says no `exp` is kept, in seconds.
const LIST_SECONDS: i64 = 86_400;

/// Follows a feed.
pub(super) struct Follower {
    transport: Arc<dyn FollowStatus>,
    clock: Arc<dyn Clock>,
    /// Whose feed it is.
    server: Box<str>,
    mirror: Mirror,
    file: Option<Mutex<StatusFile>>,
    keys: Mutex<Option<Arc<FeedKeys>>>,
    /// The key sets that are asked for anew when the feed says so.
    issuer_keys: Mutex<Vec<Weak<KeyCache>>>,
    /// The issuer was asked once, be it in vain.
    has_asked: AtomicBool,
    /// Counts snapshots and records.
    news: watch::Sender<u64>,
}

/// Why it is not followed any more.
enum Cut {
    /// It ended as it should: with its access token, or the process at the other end.
    Ended,
    /// Something is missing.
    Gap,
    /// It broke.
    Failed(StatusError),
}

impl From<StatusError> for Cut {
    fn from(error: StatusError) -> Self {
        if matches!(error, StatusError::Gone) { Self::Gap } else { Self::Failed(error) }
    }
}

impl Follower {
    pub(super) fn new(transport: Arc<dyn FollowStatus>, clock: Arc<dyn Clock>, server: &str, cache_file: Option<PathBuf>) -> Self {
        let mirror = Mirror::default();
        let mut file = cache_file.map(StatusFile::at);
        let keys = file.as_mut().and_then(|file| {
            file.load(server, &mirror, clock.now()).unwrap_or_else(|error| {
                tracing::warn!(%error, "the file with what was heard of revocations cannot be read");
                None
            })
        });
        Self {
            transport,
            clock,
            server: server.into(),
            mirror,
            file: file.map(Mutex::new),
            keys: Mutex::new(keys.map(Arc::new)),
            issuer_keys: Mutex::default(),
            has_asked: AtomicBool::new(false),
            news: watch::Sender::new(0),
        }
    }

    pub(super) fn serves(&self, keys: &Arc<KeyCache>) {
        self.issuer_keys.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(keys));
    }

    /// Whose feed it is.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    pub(super) const fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// Whether the issuer was asked once, be it in vain.
    pub(super) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Acquire)
    }

    /// Hears of each snapshot and record. Subscribe before you look.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// A snapshot, unless the feed can be continued.
    async fn begin(&self) -> Result<(), StatusError> {
        if self.mirror.position().is_some() && !self.file_is_long() {
            return Ok(());
        }
        let begun = self.take_snapshot().await;
        self.has_asked.store(true, Ordering::Release);
        self.heard();
        match begun {
            // It was for the file alone: the feed goes on without.
            Err(error) if self.mirror.position().is_some() => {
                tracing::debug!(%error, "the file with what was heard of revocations is not begun anew");
                Ok(())
            }
            begun => begun,
        }
    }

    async fn take_snapshot(&self) -> Result<(), StatusError> {
        let text = self.transport.snapshot().await?;
        let (snapshot, document) = self.open_with_keys(|keys| Snapshot::open(&text, keys)).await?;
        self.check_server(&snapshot.authorization_server)?;
        if !self.mirror.is_empty() {
            // That they are others may be what was missed.
            self.refresh_keys();
        }
        self.mirror.install(&snapshot, self.clock.now());
        if let (Some(file), Some(document)) = (&self.file, document) {
            note(file.lock().unwrap_or_else(PoisonError::into_inner).begin(&document, &text, snapshot.as_of));
        }
        Ok(())
    }

    fn check_server(&self, told: &str) -> Result<(), StatusError> {
        if told == &*self.server { Ok(()) } else { Err(failed("the feed is of another authorization server")) }
    }

    /// Reads a signed document, with the keys at hand or else with others; the second is the
    /// document with the keys where a file needs it.
    async fn open_with_keys<T>(
        &self,
        open: impl Fn(&FeedKeys) -> Result<T, FeedError>,
    ) -> Result<(T, Option<Vec<u8>>), StatusError> {
        let at_hand = self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if self.file.is_none()
            && let Some(keys) = at_hand
        {
            match open(&keys) {
                Err(FeedError::UnknownKey) => {}
                opened => return opened.map(|opened| (opened, None)).map_err(unverified),
            }
        }
        let document = self.transport.keys().await?;
        let keys = Arc::new(FeedKeys::parse(&document).map_err(unverified)?);
        let opened = open(&keys).map_err(unverified)?;
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys);
        Ok((opened, Some(document)))
    }

    /// Applies a record, unless it is applied already.
    async fn take(&self, text: &str) -> Result<(), Cut> {
        let record = match self.open_record(text) {
            Some(record) => record,
            None => self.open_with_other_keys(text).await?,
        };
        self.check_server(&record.authorization_server)?;
        // What lies between may send a record twice.
        if self.mirror.has(record.position) {
            return Ok(());
        }
        let now = self.clock.now();
        self.mirror.apply(&record, ChainDigest::of(text), now).map_err(|_| Cut::Gap)?;
        self.heard();
        if record.contents.is_empty() {
            return Ok(());
        }
        if record.contents.are_keys_changed {
            self.refresh_keys();
        }
        if let Some(file) = &self.file {
            note(file.lock().unwrap_or_else(PoisonError::into_inner).add(text, record.as_of));
        }
        self.confirm(&record, now);
        Ok(())
    }

    /// With the keys at hand.
    fn open_record(&self, text: &str) -> Option<Record> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Record::open(text, &keys).ok()
    }

    async fn open_with_other_keys(&self, text: &str) -> Result<Record, StatusError> {
        let (record, _) = self.open_with_keys(|keys| Record::open(text, keys)).await?;
        if let Some(file) = &self.file {
            // The keys in it do not prove this record.
            file.lock().unwrap_or_else(PoisonError::into_inner).outdate();
        }
        Ok(record)
    }

    /// Says that it is applied, to who wants to know; nothing depends on it. Of what is old
    /// nobody does.
    fn confirm(&self, record: &Record, now: Timestamp) {
        let (transport, position) = (Arc::clone(&self.transport), record.position);
        let after = Duration::from_millis(now.millis_since(record.as_of).max(0).unsigned_abs());
        if after > CONFIRMED_WITHIN {
            return;
        }
        tokio::spawn(async move {
            if let Err(error) = transport.applied(position, after).await {
                tracing::debug!(%error, "that a revocation is applied was not said");
            }
        });
    }

    fn refresh_keys(&self) {
        let mut held = self.issuer_keys.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|keys| match keys.upgrade() {
            Some(keys) => {
                tokio::spawn(async move { keys.refresh().await });
                true
            }
            None => false,
        });
    }

    fn heard(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    fn file_is_long(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.lock().unwrap_or_else(PoisonError::into_inner).is_long())
    }

    /// Follows the stream until it ends. Until it has brought something the feed is also heard
    /// in the other way: what lies between may hold a stream back.
    async fn follow_stream(&self, progress: &mut Progress) -> Cut {
        let (mut stream, first) = match either(self.open_stream(), self.hear_beside()).await {
            Either::First(Ok(opened)) => opened,
            Either::First(Err(cut)) | Either::Second(cut) => {
                progress.silent_streams += u32::from(!matches!(cut, Cut::Gap));
                return cut;
            }
        };
        let mut taken = self.take(&first).await;
        while taken.is_ok() {
            progress.has_streamed = true;
            progress.worked();
            taken = match next_of(&mut *stream).await {
                Ok(text) => self.take(&text).await,
                Err(cut) => Err(cut),
            };
        }
        taken.err().unwrap_or(Cut::Ended)
    }

    /// The stream, and the first record that it brings.
    async fn open_stream(&self) -> Result<(Box<dyn RecordStream>, String), Cut> {
        let after = self.mirror.position().ok_or(Cut::Gap)?;
        let mut stream = self.transport.stream(after).await?;
        let first = next_of(&mut *stream).await?;
        Ok((stream, first))
    }

    /// Hears the feed beside a stream that brings nothing; ends with a gap alone.
    async fn hear_beside(&self) -> Cut {
        tokio::time::sleep(FIRST_RECORD).await;
        loop {
            match self.wait_once().await {
                Ok(()) => {}
                Err(Cut::Gap) => return Cut::Gap,
                Err(Cut::Ended | Cut::Failed(_)) => tokio::time::sleep(LAST_PAUSE).await,
            }
        }
    }

    /// One answer with records.
    async fn wait_once(&self) -> Result<(), Cut> {
        let after = self.mirror.position().ok_or(Cut::Gap)?;
        for text in self.transport.next(after, WAIT).await? {
            self.take(&text).await?;
        }
        Ok(())
    }

    /// Reads the status lists: they say less, and are there for everybody.
    async fn read_lists(&self) -> Result<(), StatusError> {
        let keys = self.issuer_keys.lock().unwrap_or_else(PoisonError::into_inner).iter().find_map(Weak::upgrade);
        let Some(keys) = keys.filter(|_| !self.mirror.is_empty()) else { return Ok(()) };
        for url in self.transport.lists().await? {
            let text = self.transport.list(&url).await;
            let now = self.clock.now();
            match text.and_then(|text| verify_list(&text, &url, &keys, now).map_err(StatusError::Failed)) {
                Ok(token) => {
                    let list_id = url.rsplit_once('/').map_or("", |(_, id)| id);
                    let end = token.expires_at.unwrap_or(now).plus_seconds(LIST_SECONDS);
                    self.mirror.merge(list_id, &token.list, end);
                }
                Err(error) => tracing::debug!(url, %error, "a status list could not be read"),
            }
        }
        Ok(())
    }
}

/// How following goes.
#[derive(Default)]
struct Progress {
    silent_streams: u32,
    waits: u32,
    failures: u32,
    /// A stream has brought something, and none was given up since.
    has_streamed: bool,
    /// The log says that it is not followed.
    is_told: bool,
    /// The last failure was that the verifier may not follow.
    is_forbidden: bool,
    lists_read_at: Option<Instant>,
}

impl Progress {
    /// Something was heard.
    fn worked(&mut self) {
        if std::mem::take(&mut self.is_told) {
            tracing::info!("the status feed is followed again");
        }
        (self.silent_streams, self.failures, self.is_forbidden) = (0, 0, false);
    }

    /// Whether a failure is not yet told of.
    fn is_news(&mut self, error: &StatusError) -> bool {
        let was_forbidden = std::mem::replace(&mut self.is_forbidden, matches!(error, StatusError::Forbidden(_)));
        !std::mem::replace(&mut self.is_told, true) || was_forbidden != self.is_forbidden
    }

    fn are_lists_due(&self) -> bool {
        self.failures > FAILURES_BEFORE_LISTS && self.lists_read_at.is_none_or(|at| at.elapsed() >= LISTS_INTERVAL)
    }
}

/// Follows until the task is ended.
pub(super) async fn follow(follower: Arc<Follower>) {
    let jitter = random_numbers();
    let mut progress = Progress::default();
    loop {
        if let Err(cut) = step(&follower, &mut progress).await {
            pause(&follower, cut, &mut progress, jitter()).await;
        }
    }
}

/// Follows in the way that works, until it does not.
async fn step(follower: &Follower, progress: &mut Progress) -> Result<(), Cut> {
    follower.begin().await?;
    if progress.silent_streams < MAX_SILENT_STREAMS {
        return Err(follower.follow_stream(progress).await);
    }
    follower.wait_once().await?;
    // A stream that worked is worth another try as soon as the issuer is back.
    let is_back = progress.failures > 0 && std::mem::take(&mut progress.has_streamed);
    let (waits, silent_streams) = (progress.waits + 1, progress.silent_streams);
    progress.worked();
    if !is_back && waits < WAITS_BEFORE_STREAM {
        (progress.waits, progress.silent_streams) = (waits, silent_streams);
    } else {
        progress.waits = 0;
    }
    Ok(())
}

async fn pause(follower: &Follower, cut: Cut, progress: &mut Progress, random: u32) {
    match cut {
        Cut::Ended => tracing::debug!("the stream of the status feed has ended"),
        Cut::Gap => {
            tracing::info!("something is missing in the status feed: reading everything anew");
            follower.mirror.lose_place();
        }
        Cut::Failed(error) => {
            if progress.is_news(&error) {
                tracing::warn!(%error, "the status feed is not followed; trying on");
            }
            if progress.are_lists_due() {
                progress.lists_read_at = Some(Instant::now());
                match tokio::time::timeout(LISTS_TIMEOUT, follower.read_lists()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "the status lists could not be read"),
                    Err(_) => tracing::debug!("not every status list was read in time"),
                }
            }
        }
    }
    let pause = FIRST_PAUSE.saturating_mul(1 << progress.failures.min(10)).min(LAST_PAUSE);
    progress.failures = progress.failures.saturating_add(1);
    // Half of it at random: a thousand verifiers do not come back at once.
    let jitter = pause.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0);
    tokio::time::sleep(pause / 2 + jitter).await;
}

/// The next record of a stream.
async fn next_of(stream: &mut dyn RecordStream) -> Result<String, Cut> {
    let next = tokio::time::timeout(SILENCE, stream.next()).await;
    next.map_err(|_| failed("the stream brings nothing"))??.ok_or(Cut::Ended)
}

enum Either<A, B> {
    First(A),
    Second(B),
}

/// Whichever is ready first.
async fn either<A, B>(first: impl Future<Output = A>, second: impl Future<Output = B>) -> Either<A, B> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    std::future::poll_fn(|context| {
        if let Poll::Ready(ready) = first.as_mut().poll(context) {
            return Poll::Ready(Either::First(ready));
        }
        second.as_mut().poll(context).map(Either::Second)
    })
    .await
}

fn failed(what: &'static str) -> StatusError {
    StatusError::Failed(FetchError::new(what))
}

fn unverified(error: impl std::error::Error + Send + Sync + 'static) -> StatusError {
    StatusError::Failed(FetchError::new(error))
}

fn note(written: std::io::Result<()>) {
    if let Err(error) = written {
        tracing::warn!(%error, "what was heard of revocations is not kept in its file");
    }
}
