//! Keys that stay with the client's owner: their URL, and what is at hand of them.

use std::fmt;
use std::sync::Arc;

use countersign_protocol::{Clock, Issuer};
use countersign_verify::{Fetch, Limits, RemoteKeys};
use quick_cache::sync::Cache;
use url::Url;

use crate::change::InvalidField;
use crate::outbound::GuardedFetch;

/// Most URLs whose keys are kept.
const MAX_SETS: usize = 1_000;
/// Largest document, in bytes: a set for one client is a small one.
const MAX_DOCUMENT_BYTES: usize = 64 * 1024;

/// The URL of a client's JWK Set (RFC 7591 section 2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JwksUri(Box<str>);

impl JwksUri {
    /// Checks that the URL has the form of one that may be fetched.
    ///
    /// # Errors
    /// [`InvalidField`].
    pub fn parse(text: &str, fetch: &GuardedFetch) -> Result<Self, InvalidField> {
        let accepted = "an https URL of the public internet, without user name and fragment, at most 2000 bytes";
        fetch
            .check_url(text)
            .map_err(|error| InvalidField::new("jwks_uri", text.escape_debug(), format!("{accepted} ({error})")))?;
        Ok(Self(text.into()))
    }

    /// A URL that was stored.
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The key sets of the clients that were seen lately. Each is fetched when it is
/// needed, by a request that goes nowhere but to the public internet.
pub struct ClientKeySets {
    sets: Cache<JwksUri, RemoteKeys>,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
}

impl ClientKeySets {
    /// An empty collection.
    pub fn new(fetch: GuardedFetch, clock: Arc<dyn Clock>) -> Self {
        let limits = Limits { max_body_bytes: MAX_DOCUMENT_BYTES, ..Limits::default() };
        Self { sets: Cache::new(MAX_SETS), fetch: Arc::new(fetch.limits(limits)), clock }
    }

    /// The keys at `uri`; `None` for a URL that has no host.
    pub fn at(&self, uri: &JwksUri) -> Option<RemoteKeys> {
        let origin = Url::parse(uri.as_str()).ok()?.origin().ascii_serialization();
        let owner = Issuer::try_from(origin.as_str()).ok()?;
        let new = || Ok(RemoteKeys::new(Arc::clone(&self.fetch), owner, uri.as_str().to_owned(), Arc::clone(&self.clock)));
        self.sets.get_or_insert_with(uri, new).unwrap_or_else(|never: std::convert::Infallible| match never {}).into()
    }
}

impl fmt::Debug for ClientKeySets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKeySets").field("sets", &self.sets.len()).finish_non_exhaustive()
    }
}
