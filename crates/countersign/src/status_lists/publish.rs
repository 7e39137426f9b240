//! Lists as they are published (Token Status List section 8): signed when they are asked
//! for, at most once for each change and each half of their time to live.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use countersign_protocol::Timestamp;
use countersign_protocol::jose::base64url;
use countersign_protocol::status::{STATUS_LIST_JWT_TYPE, StatusList, StatusListClaims, StatusListCwt, StatusListError};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{ListNumber, StatusLists};
use crate::app::App;
use crate::catalog::LoadedAuthorizationServer;
use crate::ids::AuthorizationServerId;
use crate::oauth::{IssueError, sign_json};
use crate::revocation::MAX_LEEWAY_SECONDS;
use crate::signing_keys::Signer;
use crate::store::StoreError;

/// For how long a list may be used before it is asked for again.
pub(crate) const TTL_SECONDS: i64 = 60;
/// For how long it may be used where it cannot be asked for.
const LIFETIME_SECONDS: i64 = 900;
/// For how long a signed list is handed out while nothing in it changes.
const RESIGN_AFTER_SECONDS: i64 = TTL_SECONDS / 2;
/// Most signed lists that are kept.
const MAX_SIGNED: usize = 1_024;

/// A list as it is sent.
#[derive(Clone, Debug)]
pub struct PublishedList {
    /// The status list token.
    pub token: Bytes,
    /// The same, compressed by gzip; `None`: it would not be smaller.
    pub gzip: Option<Bytes>,
    /// A strong entity tag, quotes included.
    pub etag: String,
}

/// Why a list is not published.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// There is no such list, or all of its tokens have expired.
    #[error("there is no such status list")]
    NotFound,
    /// This node may not know what was revoked.
    #[error("the change feed was not read for too long")]
    Behind,
    /// It cannot be signed.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// It cannot be written.
    #[error(transparent)]
    List(#[from] StatusListError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Signed lists, by URL.
#[derive(Default)]
pub(super) struct SignedLists(Mutex<ByFormatAndUrl>);

type ByFormatAndUrl = HashMap<(ListFormat, Box<str>), Arc<Signed>>;

struct Signed {
    published: PublishedList,
    revoked: usize,
    key_id: Box<str>,
    signed_at: Timestamp,
    expires_at: Timestamp,
}

impl SignedLists {
    fn find(&self, format: ListFormat, uri: &str) -> Option<Arc<Signed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(format, uri.into())).map(Arc::clone)
    }

    fn keep(&self, format: ListFormat, uri: &str, signed: Arc<Signed>, now: Timestamp) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lists.len() >= MAX_SIGNED {
            lists.retain(|_, signed| !signed.is_old(now));
        }
        if lists.len() < MAX_SIGNED {
            lists.insert((format, uri.into()), signed);
        }
    }
}

impl Signed {
    fn is_old(&self, now: Timestamp) -> bool {
        // Also where the clock was set back.
        !(0..RESIGN_AFTER_SECONDS * 1_000).contains(&now.millis_since(self.signed_at)) || self.expires_at <= now
    }
}

/// In which form a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListFormat {
    /// `application/statuslist+cwt`.
    Cwt,
    /// `application/statuslist+jwt`.
    Jwt,
}

/// The list `number` of `server` at the URL `{status_endpoint}/{number}`.
///
/// # Errors
/// [`ListError`].
pub async fn publish(
    app: &App,
    server: &LoadedAuthorizationServer,
    status_endpoint: &str,
    number: ListNumber,
    format: ListFormat,
) -> Result<PublishedList, ListError> {
    if app.is_behind() {
        return Err(ListError::Behind);
    }
    let list = Listed { app, server, number, format, uri: format!("{status_endpoint}/{number}"), status_endpoint };
    if let Some(current) = list.find_current()? {
        return Ok(current);
    }
    let _signing = app.status_lists.signing_of(number).lock().await;
    match list.find_current()? {
        Some(current) => Ok(current),
        None => list.sign().await,
    }
}

/// A list that is asked for.
struct Listed<'a> {
    app: &'a App,
    server: &'a LoadedAuthorizationServer,
    number: ListNumber,
    format: ListFormat,
    uri: String,
    status_endpoint: &'a str,
}

impl Listed<'_> {
    /// What was signed lately, if it still is how the list is.
    fn find_current(&self) -> Result<Option<PublishedList>, ListError> {
        let Some(signed) = self.app.status_lists.signed.find(self.format, &self.uri) else { return Ok(None) };
        let revoked = self.app.revocations.tokens.places().count(&self.server.id, &self.number.to_string());
        let is_current = signed.revoked == revoked && *signed.key_id == *self.key()?.key_id().as_str();
        Ok((is_current && !signed.is_old(self.app.clock.now())).then(|| signed.published.clone()))
    }

    fn key(&self) -> Result<&Arc<dyn Signer>, IssueError> {
        self.server.keys.active(self.server.signing_alg).ok_or(IssueError::NoSigningKey(self.server.signing_alg))
    }

    async fn sign(&self) -> Result<PublishedList, ListError> {
        let Self { app, server, .. } = self;
        let now = app.clock.now();
        let end = find_end(app, &server.id, self.number).await?.ok_or(ListError::NotFound)?;
        let expires_at = end.plus_seconds(MAX_LEEWAY_SECONDS);
        if expires_at <= now {
            return Err(ListError::NotFound);
        }
        let (list, revoked) = app.revocations.tokens.places().list(&server.id, &self.number.to_string());
        let published = match self.format {
            ListFormat::Jwt => self.sign_jwt(list, now).await?,
            ListFormat::Cwt => PublishedList::of(self.sign_cwt(list, now).await?, None),
        };
        let key_id = self.key()?.key_id().as_str().into();
        let signed = Signed { published: published.clone(), revoked, key_id, signed_at: now, expires_at };
        app.status_lists.signed.keep(self.format, &self.uri, Arc::new(signed), now);
        Ok(published)
    }

    async fn sign_jwt(&self, list: StatusList, now: Timestamp) -> Result<PublishedList, ListError> {
        let (uri, aggregation_uri) = (self.uri.clone(), self.status_endpoint.to_owned());
        let claims = beside(move || {
            let claims = StatusListClaims::new(&list, &uri, &aggregation_uri, now, TTL_SECONDS, LIFETIME_SECONDS);
            serde_json::to_string(&claims)
        });
        let claims = claims.await?.map_err(StoreError::internal)?;
        let token = sign_json(STATUS_LIST_JWT_TYPE, self.server, self.server.signing_alg, &claims).await?.into_bytes();
        Ok(beside(move || {
            let gzip = Some(compressed(&token));
            PublishedList::of(token, gzip)
        })
        .await?)
    }

    async fn sign_cwt(&self, list: StatusList, now: Timestamp) -> Result<Vec<u8>, ListError> {
        let key = self.key()?;
        let (uri, aggregation_uri) = (self.uri.clone(), self.status_endpoint.to_owned());
        let (algorithm, key_id) = (key.algorithm(), key.key_id().to_string());
        let cwt = beside(move || {
            let lifetimes = (TTL_SECONDS, LIFETIME_SECONDS);
            StatusListCwt::new(&list, (&uri, &aggregation_uri), now, lifetimes, (algorithm, &key_id))
        });
        let cwt = cwt.await??;
        let signature = key.sign(&cwt.to_be_signed()).await.map_err(IssueError::from)?;
        Ok(cwt.with_signature(signature)?)
    }
}

/// Does what takes milliseconds of a processor where nobody waits for it.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(StoreError::internal)
}

async fn find_end(app: &App, server: &AuthorizationServerId, number: ListNumber) -> Result<Option<Timestamp>, StoreError> {
    let server = server.clone();
    app.store.read(move |session| Box::pin(async move { session.status_list_end(&server, number).await })).await
}

/// The lists with tokens that a verifier may accept.
///
/// # Errors
/// [`StoreError`].
pub async fn live_lists(app: &App, server: &AuthorizationServerId) -> Result<Vec<ListNumber>, StoreError> {
    let (server, ended_before) = (server.clone(), app.clock.now().plus_seconds(-MAX_LEEWAY_SECONDS));
    app.store.read(move |session| Box::pin(async move { session.status_lists(&server, ended_before).await })).await
}

impl PublishedList {
    fn of(token: Vec<u8>, gzip: Option<Bytes>) -> Self {
        let etag = format!("\"{}\"", base64url::encode(digest(&SHA256, &token).as_ref()));
        Self { token: token.into(), gzip, etag }
    }
}

fn compressed(token: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let _ = encoder.write_all(token);
    encoder.finish().unwrap_or_default().into()
}

impl StatusLists {
    fn signing_of(&self, number: ListNumber) -> &tokio::sync::Mutex<()> {
        let [first, ..] = &self.signing;
        let place = usize::try_from(number.0).unwrap_or_default() % self.signing.len();
        self.signing.get(place).unwrap_or(first)
    }
}

impl std::fmt::Debug for StatusLists {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatusLists").finish_non_exhaustive()
    }
}
