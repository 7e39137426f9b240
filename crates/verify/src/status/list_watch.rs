//! Status lists, asked for at their time to live, by use.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_protocol::jose::{Claims, UnverifiedJws};
use countersign_protocol::status::{STATUS_LIST_JWT_TYPE, StatusListToken, TokenStatus};
use countersign_protocol::{Clock, ErrorCode, Timestamp};
use http::StatusCode;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::http::LIST;
use super::known::reference_of;
use super::watch::Checked;
use crate::keys::KeyCache;
use crate::own_token::get;
use crate::{FetchError, HttpClient, HttpError, Limits};

/// How long a list may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest status list token, in bytes.
pub(super) const MAX_LIST_TOKEN_BYTES: usize = 8 * 1024 * 1024;
/// For how long a list without `ttl` is used.
const DEFAULT_TTL_SECONDS: i64 = 60;
/// Most lists that are kept.
const MAX_LISTS: usize = 1_000;
/// After a failure a list is not asked for again for this long, in milliseconds.
const PAUSE_MILLIS: i64 = 1_000;

/// The lists of one issuer.
pub(crate) struct ListWatch {
    client: HttpClient,
    /// Lists elsewhere than at the issuer's origin are not asked for.
    origin: String,
    clock: Arc<dyn Clock>,
    keys: Arc<KeyCache>,
    lists: ArcSwap<HashMap<String, Arc<Kept>>>,
    fetches: Mutex<HashMap<String, Fetch>>,
    finished: watch::Sender<u64>,
    runtime: OnceLock<Handle>,
}

/// A list that was read.
struct Kept {
    token: StatusListToken,
    fetched_at: Timestamp,
}

/// A list that is being asked for, or was in vain.
#[derive(Clone, Copy)]
enum Fetch {
    UnderWay,
    /// Again, after a failure.
    UnderWayAgain,
    Failed(Timestamp),
}

/// Whether a list is being asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Yes,
    /// The issuer did not answer before: an older list is better than waiting again.
    YesAgain,
    No,
}

impl Kept {
    fn ttl_millis(&self) -> i64 {
        self.token.ttl_seconds.unwrap_or(DEFAULT_TTL_SECONDS).saturating_mul(1_000)
    }

    /// How old it is, in milliseconds; a clock that was set back makes it very old.
    fn age_millis(&self, now: Timestamp) -> i64 {
        let age = now.millis_since(self.fetched_at);
        if age < 0 { i64::MAX } else { age }
    }
}

impl ListWatch {
    pub(super) fn new(client: HttpClient, issuer: &str, clock: Arc<dyn Clock>, keys: Arc<KeyCache>) -> Arc<Self> {
        Arc::new(Self {
            client,
            origin: origin_of(issuer),
            clock,
            keys,
            lists: ArcSwap::default(),
            fetches: Mutex::default(),
            finished: watch::Sender::new(0),
            runtime: OnceLock::new(),
        })
    }

    pub(super) fn check(self: &Arc<Self>, claims: &Claims, now: Timestamp) -> Checked {
        let (uri, index) = match reference_of(claims) {
            // The issuer does not say that it can be revoked.
            Ok(None) => return Checked::Good { staleness_millis: 0 },
            Ok(Some(reference)) => reference,
            Err(code) => return Checked::Refused(code),
        };
        if !uri.strip_prefix(&self.origin).is_some_and(|path| path.starts_with('/')) {
            return Checked::Refused(ErrorCode::StatusPlaceInvalid);
        }
        let waiting = self.finished.subscribe();
        let kept = self.lists.load().get(uri).map(Arc::clone);
        let Some(kept) = kept.filter(|kept| kept.token.expires_at.is_none_or(|end| end > now)) else {
            return match self.ask(uri, now) {
                Asked::Yes | Asked::YesAgain => Checked::Wait(waiting),
                Asked::No => Checked::Good { staleness_millis: i64::MAX },
            };
        };
        let (age, ttl) = (kept.age_millis(now), kept.ttl_millis());
        if age >= ttl - ttl / 5 {
            let asked = self.ask(uri, now);
            if age >= ttl && asked == Asked::Yes {
                return Checked::Wait(waiting);
            }
        }
        match kept.token.list.status(index) {
            None => Checked::Refused(ErrorCode::StatusPlaceInvalid),
            Some(TokenStatus::Valid) => Checked::Good { staleness_millis: if age < ttl { 0 } else { age } },
            Some(TokenStatus::Invalid | TokenStatus::Suspended | TokenStatus::Other(_)) => {
                Checked::Refused(ErrorCode::TokenRevoked)
            }
        }
    }

    /// Asks for a list, unless that has just failed.
    fn ask(self: &Arc<Self>, uri: &str, now: Timestamp) -> Asked {
        let mut fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        let (fetch, asked) = match fetches.get(uri) {
            Some(Fetch::UnderWay) => return Asked::Yes,
            Some(Fetch::UnderWayAgain) => return Asked::YesAgain,
            Some(Fetch::Failed(at)) if (0..PAUSE_MILLIS).contains(&now.millis_since(*at)) => return Asked::No,
            Some(Fetch::Failed(_)) => (Fetch::UnderWayAgain, Asked::YesAgain),
            None => (Fetch::UnderWay, Asked::Yes),
        };
        let runtime = Handle::try_current().ok().or_else(|| self.runtime.get().cloned());
        let Some(runtime) = runtime else { return Asked::No };
        let _ = self.runtime.set(runtime.clone());
        fetches.insert(uri.to_owned(), fetch);
        let (this, uri) = (Arc::clone(self), uri.to_owned());
        // A task of its own: a caller that goes away does not end it.
        runtime.spawn(async move { this.fetch(uri).await });
        asked
    }

    async fn fetch(&self, uri: String) {
        let read = self.read(&uri).await;
        let now = self.clock.now();
        let ended = match read {
            Ok(token) => {
                self.keep(&uri, Kept { token, fetched_at: now }, now);
                None
            }
            Err(error) => {
                tracing::warn!(uri, %error, "a status list could not be read");
                Some(Fetch::Failed(now))
            }
        };
        let mut fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        match ended {
            Some(failed) => fetches.insert(uri, failed),
            None => fetches.remove(&uri),
        };
        drop(fetches);
        self.finished.send_modify(|count| *count += 1);
    }

    async fn read(&self, uri: &str) -> Result<StatusListToken, FetchError> {
        let request = get(uri, LIST).map_err(FetchError::new)?;
        let limits = Limits { timeout: TIMEOUT, max_body_bytes: MAX_LIST_TOKEN_BYTES };
        let response = self.client.send(request, limits).await.map_err(FetchError::new)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::new(HttpError::Status(response.status())));
        }
        let text = std::str::from_utf8(response.body()).map_err(FetchError::new)?;
        verify_list(text, uri, &self.keys, self.clock.now())
    }

    fn keep(&self, uri: &str, kept: Kept, now: Timestamp) {
        let mut lists = HashMap::clone(&self.lists.load());
        lists.retain(|_, kept| kept.token.expires_at.is_none_or(|end| end > now));
        let oldest = || lists.iter().min_by_key(|(_, kept)| kept.fetched_at).map(|(uri, _)| uri.clone());
        if let Some(oldest) = oldest().filter(|_| lists.len() >= MAX_LISTS && !lists.contains_key(uri)) {
            lists.remove(&oldest);
        }
        lists.insert(uri.to_owned(), Arc::new(kept));
        self.lists.store(Arc::new(lists));
    }
}

/// A status list token that the issuer signed with one of its keys.
pub(super) fn verify_list(text: &str, uri: &str, keys: &KeyCache, now: Timestamp) -> Result<StatusListToken, FetchError> {
    let jws = UnverifiedJws::parse_up_to(text, MAX_LIST_TOKEN_BYTES).map_err(FetchError::new)?;
    if !jws.header().has_type(STATUS_LIST_JWT_TYPE) {
        return Err(FetchError::new("the type is not the one of a status list"));
    }
    let at_hand = keys.at_hand(now).ok_or_else(|| FetchError::new("the issuer's keys are not there"))?;
    let key = at_hand.find(jws.header().key_id.as_deref()).ok_or_else(|| FetchError::new("the key is not one of the issuer"))?;
    StatusListToken::parse(&jws.verify(key).map_err(FetchError::new)?, uri, now).map_err(FetchError::new)
}

/// Scheme and authority.
fn origin_of(issuer: &str) -> String {
    let (scheme, rest) = issuer.split_once("://").unwrap_or_default();
    format!("{scheme}://{}", rest.split('/').next().unwrap_or_default())
}

impl fmt::Debug for ListWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListWatch").field("origin", &self.origin).finish_non_exhaustive()
    }
}
