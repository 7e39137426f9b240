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
use crate::oauth::{IssueError, sign_as};
use crate::store::StoreError;

/// For how long a list may be used before it is asked for again.
pub(crate) const TTL_SECONDS: i64 = 60;
/// For how long it may be used where it cannot be asked for.
const LIFETIME_SECONDS: i64 = 900;
/// For how long a signed list is handed out while nothing in it changes.
const RESIGN_AFTER_SECONDS: i64 = TTL_SECONDS / 2;
/// Verifiers may accept a token this long after its `exp`.
const MAX_LEEWAY_SECONDS: i64 = 300;
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
    let (now, uri, list_id) = (app.clock.now(), format!("{status_endpoint}/{number}"), number.to_string());
    let key = server.keys.active(server.signing_alg).ok_or(IssueError::NoSigningKey(server.signing_alg))?;
    let places = app.revocations.tokens.places();
    if let Some(signed) = app.status_lists.signed.find(format, &uri) {
        let is_current = signed.revoked == places.count(&server.id, &list_id) && *signed.key_id == *key.key_id().as_str();
        if is_current && !signed.is_old(now) {
            return Ok(signed.published.clone());
        }
    }
    let end = find_end(app, &server.id, number).await?.ok_or(ListError::NotFound)?;
    if end.plus_seconds(MAX_LEEWAY_SECONDS) <= now {
        return Err(ListError::NotFound);
    }
    let (list, revoked) = places.list(&server.id, &list_id);
    let published = match format {
        ListFormat::Jwt => {
            let claims = StatusListClaims::new(&list, &uri, status_endpoint, now, TTL_SECONDS, LIFETIME_SECONDS);
            let token = sign_as(STATUS_LIST_JWT_TYPE, server, server.signing_alg, &claims).await?.into_bytes();
            let gzip = Some(compressed(&token));
            PublishedList::of(token, gzip)
        }
        ListFormat::Cwt => PublishedList::of(sign_cwt(server, &list, (&uri, status_endpoint), now).await?, None),
    };
    let expires_at = end.plus_seconds(MAX_LEEWAY_SECONDS);
    let signed = Signed { published: published.clone(), revoked, key_id: key.key_id().as_str().into(), signed_at: now, expires_at };
    app.status_lists.signed.keep(format, &uri, Arc::new(signed), now);
    Ok(published)
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

async fn sign_cwt(
    server: &LoadedAuthorizationServer,
    list: &StatusList,
    uris: (&str, &str),
    now: Timestamp,
) -> Result<Vec<u8>, ListError> {
    let key = server.keys.active(server.signing_alg).ok_or(IssueError::NoSigningKey(server.signing_alg))?;
    let signed_by = (key.algorithm(), key.key_id().as_str());
    let cwt = StatusListCwt::new(list, uris, now, (TTL_SECONDS, LIFETIME_SECONDS), signed_by)?;
    let signature = key.sign(&cwt.to_be_signed()).await.map_err(IssueError::from)?;
    Ok(cwt.with_signature(signature)?)
}

impl std::fmt::Debug for StatusLists {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatusLists").finish_non_exhaustive()
    }
}
