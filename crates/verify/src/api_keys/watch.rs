//! Who is asked when: remembered verdicts that still hold first, and of the same key at
//! most one question under way.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderName;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use countersign_protocol::jose::base64url;
use countersign_protocol::{Audience, Clock, CredentialText, CredentialTextError, ErrorCode, Issuer, Timestamp};

use super::feed::{Feed, Footing};
use super::verdict::{Asked, Outcome, Told};
use super::{AskKeys, KeyQuestion};
use crate::decision::{Fault, Judgement};
use crate::token_cache::{Life, Origin, TokenCache};
use crate::{Presented, Verified};

/// Most questions under way: keys that somebody makes up cost the server no more.
const MAX_UNDER_WAY: usize = 64;
/// How often a key is asked about again while the node that answers has not heard of the last
/// change, and the pause before each.
const MAX_OVERTAKEN: u32 = 20;
const OVERTAKEN_PAUSE: Duration = Duration::from_millis(50);
/// Between two questions about changes that are answered at once, and after a failure.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(500);
/// How long it is remembered that each question about a key counts, in seconds.
const COUNTED_SECONDS: i64 = 60;
/// Longest wait for a change: what the server takes.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// Longest key that is asked about, in bytes.
const MAX_KEY_BYTES: usize = 512;

type Verdict = Result<Verified, Fault>;

/// What a watch is made from.
pub(super) struct Settings {
    pub(super) ask: Arc<dyn AskKeys>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) issuer: Issuer,
    pub(super) audience: Audience,
    pub(super) header: Option<HeaderName>,
    pub(super) imported: bool,
    pub(super) cache_entries: usize,
    pub(super) cache_seconds: i64,
    pub(super) stale_seconds: i64,
    pub(super) timeout: Duration,
}

/// Verifies API keys.
pub(crate) struct KeyWatch {
    settings: Settings,
    feed: Feed,
    valid: TokenCache<Arc<Remembered>>,
    /// Apart, so that keys that somebody makes up do not push out good ones.
    refused: TokenCache<Arc<Remembered>>,
    /// Keys of which each question counts: none is asked for two callers.
    counted: TokenCache<()>,
    under_way: Mutex<HashMap<String, watch::Receiver<Option<Answer>>>>,
    permits: Semaphore,
    runtime: OnceLock<Handle>,
    follows: AtomicBool,
}

/// A verdict that is remembered.
struct Remembered {
    verdict: Result<Verified, ErrorCode>,
    footing: Option<Footing>,
    /// It holds for this address alone.
    only_for: Option<Option<IpAddr>>,
    given_at: Timestamp,
}

/// What came of a question.
#[derive(Clone)]
struct Answer {
    verdict: Verdict,
    /// Whether it holds for whoever else asks at this moment.
    is_shared: bool,
}

/// What came of asking.
pub(crate) enum Answered<'a> {
    /// It is known already.
    Now(Judgement<'a>),
    /// The server is being asked.
    Wait(KeyFlight),
}

/// What a text is as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nobody needs to be asked about it.
    Damaged,
    /// It may be a key.
    Whole,
}

/// A question under way.
pub(crate) struct KeyFlight {
    answer: watch::Receiver<Option<Answer>>,
    /// The question of who waits for the answer to somebody else's.
    own: Option<Question>,
}

impl KeyFlight {
    /// Waits for the answer.
    pub(crate) async fn land(mut self) -> Verdict {
        let landed = self.answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        match (landed, self.own) {
            (Some(answer), None) => answer.verdict,
            (Some(answer), Some(_)) if answer.is_shared => answer.verdict,
            // It was counted for somebody else.
            (Some(_), Some(own)) => own.answer().await.verdict,
            // Torn down half-way: nobody was told anything.
            (None, _) => not_judged(),
        }
    }
}

const fn not_judged() -> Verdict {
    Err(Fault::NotJudged(ErrorCode::IntrospectionUnavailable))
}

impl KeyWatch {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            feed: Feed::new(),
            valid: TokenCache::new(settings.cache_entries),
            refused: TokenCache::new(settings.cache_entries),
            counted: TokenCache::new(settings.cache_entries),
            under_way: Mutex::default(),
            permits: Semaphore::new(MAX_UNDER_WAY),
            runtime: OnceLock::new(),
            follows: AtomicBool::new(false),
            settings,
        }
    }

    pub(crate) fn issuer(&self) -> &str {
        self.settings.issuer.as_str()
    }

    /// The header that keys may come in, beside `Authorization`.
    pub(crate) const fn header(&self) -> Option<&HeaderName> {
        self.settings.header.as_ref()
    }

    /// What a token is as a key: one by its form, or a damaged one that can be nothing else.
    /// `None`: another kind of token, of which `others` says whether they are asked about.
    pub(crate) fn claims(&self, token: &str, others: bool) -> Option<Form> {
        match CredentialText::parse(token) {
            Ok(_) => Some(Form::Whole),
            Err(_) if looks_like_a_token(token) => None,
            Err(_) if self.settings.imported => Some(if token.len() > MAX_KEY_BYTES { Form::Damaged } else { Form::Whole }),
            Err(CredentialTextError::Checksum) if !others => Some(Form::Damaged),
            Err(CredentialTextError::Checksum | CredentialTextError::Malformed) => None,
        }
    }

    /// What is remembered of the key, else a question under way. Never waits.
    pub(crate) fn ask(self: &Arc<Self>, presented: Presented<'_>, form: Form, now: Timestamp) -> Answered<'_> {
        let key = presented.token();
        if form == Form::Damaged {
            return Answered::Now(self.judgement(Err(ErrorCode::KeyMalformed.into()), false));
        }
        let name = name_of(key);
        if let Some(verdict) = self.remembered(&name, presented.address(), now) {
            return Answered::Now(self.judgement(verdict, true));
        }
        let Some(runtime) = self.runtime() else { return Answered::Now(self.judgement(not_judged(), false)) };
        self.follow(&runtime);
        let question = Question { watch: Arc::clone(self), key: key.into(), name, address: presented.address() };
        if self.settings.cache_entries == 0 || self.counted.find(&question.name, now, |_| true).is_some() {
            return Answered::Wait(KeyFlight { answer: question.fly(&runtime, None), own: None });
        }
        // Of two addresses each gets an answer of its own.
        let flight_name = format!("{} {:?}", question.name, question.address);
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = under_way.get(&flight_name) {
            return Answered::Wait(KeyFlight { answer: flight.clone(), own: Some(question) });
        }
        // An answer that came since the first look is remembered before it leaves the list.
        if let Some(verdict) = self.remembered(&question.name, question.address, now) {
            return Answered::Now(self.judgement(verdict, true));
        }
        let place = Place { watch: Arc::clone(self), flight_name: flight_name.clone() };
        let answer = question.fly(&runtime, Some(place));
        under_way.insert(flight_name, answer.clone());
        Answered::Wait(KeyFlight { answer, own: None })
    }

    /// A verdict that was waited for.
    pub(crate) fn judgement(&self, verdict: Verdict, is_remembered: bool) -> Judgement<'_> {
        Judgement { is_remembered, ..Judgement::new(self.issuer(), verdict) }
    }

    fn remembered(&self, name: &str, address: Option<IpAddr>, now: Timestamp) -> Option<Verdict> {
        let found = self.valid.find(name, now, |_| true).or_else(|| self.refused.find(name, now, |_| true))?;
        self.holds(&found, address, now).then(|| found.verdict.clone().map_err(Fault::from))
    }

    /// Whether a verdict that is remembered is still true, as far as anybody can know.
    fn holds(&self, remembered: &Remembered, address: Option<IpAddr>, now: Timestamp) -> bool {
        if remembered.only_for.is_some_and(|only| only != address) {
            return false;
        }
        let stale = self.settings.stale_seconds;
        let is_young = now.millis_since(remembered.given_at) <= stale * 1_000;
        match &remembered.footing {
            Some(footing) => self.feed.bears(footing) && (is_young || self.feed.is_heard(now, stale)),
            None => is_young,
        }
    }

    /// The runtime of the caller, else the one of an earlier caller.
    fn runtime(&self) -> Option<Handle> {
        match Handle::try_current() {
            Ok(runtime) => {
                let _ = self.runtime.set(runtime.clone());
                Some(runtime)
            }
            Err(_) => self.runtime.get().cloned(),
        }
    }

    /// Listens to what changes, from the first key on and for as long as there is a verifier.
    fn follow(self: &Arc<Self>, runtime: &Handle) {
        if self.settings.cache_entries > 0 && !self.follows.swap(true, Ordering::SeqCst) {
            runtime.spawn(follow(Arc::downgrade(self)));
        }
    }

    /// How long one question about changes waits: two of them within the time that a verdict
    /// is used without hearing of any.
    fn wait(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.settings.stale_seconds * 400).unwrap_or_default()).min(LONGEST_WAIT)
    }
}

/// A question about a key.
struct Question {
    watch: Arc<KeyWatch>,
    key: Box<str>,
    name: String,
    address: Option<IpAddr>,
}

/// The place of a question in the list of those under way; however it ends, it leaves the list.
struct Place {
    watch: Arc<KeyWatch>,
    flight_name: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.watch.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.flight_name);
    }
}

impl Question {
    /// Asks in a task of its own: a caller that goes away does not end it.
    fn fly(self, runtime: &Handle, place: Option<Place>) -> watch::Receiver<Option<Answer>> {
        let (sender, receiver) = watch::channel(None);
        runtime.spawn(async move {
            let answer = self.answer().await;
            drop(place);
            let _ = sender.send(Some(answer));
        });
        receiver
    }

    async fn answer(&self) -> Answer {
        let not_judged = || Answer { verdict: not_judged(), is_shared: true };
        let KeyWatch { settings, feed, permits, .. } = &*self.watch;
        for _ in 0..MAX_OVERTAKEN {
            let generation = feed.generation();
            let asking = async {
                let _permit = permits.acquire().await;
                let question = KeyQuestion { key: &self.key, audience: settings.audience.as_str(), address: self.address };
                settings.ask.verify(question).await
            };
            let issuer = settings.issuer.as_str();
            let body = match tokio::time::timeout(settings.timeout, asking).await {
                Ok(Ok(body)) => body,
                Ok(Err(error)) => {
                    tracing::warn!(issuer, %error, "the server could not be asked about an API key");
                    return not_judged();
                }
                Err(_) => {
                    tracing::warn!(issuer, "the server did not answer in time about an API key");
                    return not_judged();
                }
            };
            let now = settings.clock.now();
            let ask_again_at = now.plus_seconds(settings.cache_seconds.max(1));
            let asked = Asked { issuer: &settings.issuer, audience: &settings.audience, generation, ask_again_at };
            let told = match Told::read(&body, &asked) {
                Ok(told) => told,
                Err(error) => {
                    tracing::warn!(issuer, %error, "the server's answer about an API key cannot be used");
                    return not_judged();
                }
            };
            // The node that answered has not heard of a change that was told meanwhile.
            let is_overtaken = told.footing.as_ref().is_some_and(|footing| !feed.bears(footing));
            if is_overtaken && matches!(told.outcome, Outcome::Valid(_)) {
                tokio::time::sleep(OVERTAKEN_PAUSE).await;
                continue;
            }
            return self.settle(told, now);
        }
        not_judged()
    }

    fn settle(&self, told: Told, now: Timestamp) -> Answer {
        let seconds = told.max_age_seconds.min(self.watch.settings.cache_seconds);
        let is_shared = told.max_age_seconds > 0;
        if !is_shared {
            let life = Life::new(now, COUNTED_SECONDS, now.plus_seconds(COUNTED_SECONDS));
            self.watch.counted.insert(&self.name, &(), life, Origin::default());
        }
        let answer = |verdict| Answer { verdict, is_shared };
        let (cache, verdict) = match told.outcome {
            Outcome::Valid(verified) => (&self.watch.valid, Ok(verified)),
            Outcome::Refused(code) => (&self.watch.refused, Err(code)),
            Outcome::Exhausted(retry_after_seconds) => return answer(Err(Fault::Exhausted { retry_after_seconds })),
        };
        let only_for = told.is_for_address.then_some(self.address);
        let remembered = Remembered { verdict: verdict.clone(), footing: told.footing, only_for, given_at: now };
        cache.insert(&self.name, &Arc::new(remembered), Life::new(now, seconds, now.plus_seconds(seconds)), Origin::default());
        answer(verdict.map_err(Fault::from))
    }
}

/// What a key is remembered by: never the key itself.
fn name_of(key: &str) -> String {
    base64url::encode(digest(&SHA256, key.as_bytes()).as_ref())
}

/// A JWT by its three parts, or an opaque access token by what it begins with.
fn looks_like_a_token(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'.').count() == 2 || text.starts_with("cst_")
}

async fn follow(watch: Weak<KeyWatch>) {
    let mut failing = false;
    loop {
        let Some(this) = watch.upgrade() else { return };
        let (ask, after, wait, timeout) =
            (Arc::clone(&this.settings.ask), this.feed.position(), this.wait(), this.settings.timeout);
        // While it waits, nothing keeps the verifier from going.
        drop(this);
        let asked = tokio::time::timeout(wait + timeout, ask.changes(after, wait)).await;
        let Some(this) = watch.upgrade() else { return };
        let issuer = this.issuer();
        let heard = match asked {
            Ok(Ok(body)) => this.feed.hear(&body, this.settings.clock.now()).map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        };
        let pause = match heard {
            Ok(is_news) => {
                failing = false;
                (!is_news).then_some(PAUSE)
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(
                        issuer,
                        error,
                        "the server does not say what changes about API keys: each is asked about more often"
                    );
                }
                failing = true;
                Some(PAUSE_AFTER_FAILURE)
            }
        };
        drop(this);
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
}
