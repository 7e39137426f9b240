//! What is revoked: heard from the issuer's live status feed, or read from its status lists.

mod feed;
mod file;
mod follower;
mod freshness;
mod http;
mod known;
mod list_watch;
mod mirror;
mod policy;
mod revoked_ids;
#[cfg(test)]
mod simulation;
mod transport;
mod watch;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use countersign_protocol::{Clock, Secret};

use self::feed::FeedWatch;
use self::http::HttpStatus;
use self::list_watch::ListWatch;
use self::transport::FollowStatus;
use crate::keys::KeyCache;
use crate::own_token::Credentials;
use crate::{BuildError, HttpClient};

pub use freshness::{Freshness, StatusState};
pub(crate) use policy::Resort;
pub use policy::StatusPolicy;
pub(crate) use watch::{Checked, StatusWatch};

/// How long one call may take unless said otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// The live status feed of an authorization server: what is revoked there is refused here
/// within a second. Verifiers that are given clones of one share what it holds.
#[derive(Clone)]
pub struct StatusFeed(Arc<Feed>);

struct Feed {
    base: String,
    authorization_server: String,
    credentials: Arc<Credentials>,
    cache_file: Option<PathBuf>,
    timeout: Duration,
    started: Arc<OnceLock<Arc<FeedWatch>>>,
}

impl StatusFeed {
    /// The feed of the authorization server `default` at `base_url` (such as
    /// `https://auth.example.com`), followed by a client with the right `status:read` on the
    /// management API.
    pub fn new(base_url: impl Into<String>, client_id: impl Into<String>, client_secret: impl Into<String>) -> Self {
        let credentials = Credentials::Client { id: client_id.into(), secret: Secret::new(client_secret.into()) };
        Self(Arc::new(Feed {
            base: base_url.into(),
            authorization_server: "default".to_owned(),
            credentials: Arc::new(credentials),
            cache_file: None,
            timeout: DEFAULT_TIMEOUT,
            started: Arc::default(),
        }))
    }

    /// The feed of another authorization server than `default`.
    #[must_use]
    pub fn authorization_server(self, id: impl Into<String>) -> Self {
        self.with(|feed| feed.authorization_server = id.into())
    }

    /// Keeps what was heard in this file (mode 0600), signed as it came, so that a verifier
    /// that starts while the server is away knows what was revoked until then.
    #[must_use]
    pub fn cache_file(self, path: impl Into<PathBuf>) -> Self {
        self.with(|feed| feed.cache_file = Some(path.into()))
    }

    /// How long one call may take; 5 seconds unless said otherwise.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|feed| feed.timeout = timeout)
    }

    fn with(self, change: impl FnOnce(&mut Feed)) -> Self {
        let Feed { base, authorization_server, credentials, cache_file, timeout, .. } = &*self.0;
        let mut feed = Feed {
            base: base.clone(),
            authorization_server: authorization_server.clone(),
            credentials: Arc::clone(credentials),
            cache_file: cache_file.clone(),
            timeout: *timeout,
            // What was started goes by the former settings.
            started: Arc::default(),
        };
        change(&mut feed);
        Self(Arc::new(feed))
    }

    fn watch(
        &self,
        clock: &Arc<dyn Clock>,
        client: Option<&HttpClient>,
        keys: &Arc<KeyCache>,
    ) -> Result<Arc<FeedWatch>, BuildError> {
        if let Some(started) = self.0.started.get() {
            started.serves(keys);
            return Ok(Arc::clone(started));
        }
        let Feed { base, authorization_server, credentials, cache_file, timeout, started } = &*self.0;
        let client = client.ok_or(BuildError::Fetch)?;
        client.check_url(base).map_err(BuildError::Http)?;
        let http = HttpStatus::new(client.clone(), base, authorization_server, credentials, *timeout).map_err(BuildError::Http)?;
        let transport: Arc<dyn FollowStatus> = Arc::new(http);
        let made = FeedWatch::new(transport, Arc::clone(clock), authorization_server, cache_file.clone());
        let watch = Arc::clone(started.get_or_init(|| made));
        watch.serves(keys);
        Ok(watch)
    }
}

/// The status lists of an issuer (OAuth Token Status List), asked for at their time to live:
/// for issuers without a feed, and for verifiers that may not follow one. A token is refused
/// within the list's `ttl` of its revocation.
#[derive(Clone, Debug, Default)]
pub struct StatusLists(());

impl StatusLists {
    /// The lists that the issuer's tokens name.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// How it is known what an issuer has revoked.
#[derive(Clone, Debug)]
pub enum StatusSource {
    /// By its live feed.
    Feed(StatusFeed),
    /// By its status lists.
    Lists(StatusLists),
}

impl From<StatusFeed> for StatusSource {
    fn from(feed: StatusFeed) -> Self {
        Self::Feed(feed)
    }
}

impl From<StatusLists> for StatusSource {
    fn from(lists: StatusLists) -> Self {
        Self::Lists(lists)
    }
}

impl StatusSource {
    pub(crate) fn watch(
        &self,
        issuer: &str,
        clock: &Arc<dyn Clock>,
        client: Option<&HttpClient>,
        keys: &Arc<KeyCache>,
    ) -> Result<StatusWatch, BuildError> {
        Ok(match self {
            Self::Feed(feed) => StatusWatch::Feed(feed.watch(clock, client, keys)?),
            Self::Lists(_) => {
                let client = client.ok_or(BuildError::Fetch)?;
                StatusWatch::Lists(ListWatch::new(client.clone(), issuer, Arc::clone(clock), Arc::clone(keys)))
            }
        })
    }
}

impl fmt::Debug for StatusFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusFeed").field("base", &self.0.base).finish_non_exhaustive()
    }
}
