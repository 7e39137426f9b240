//! Tokens of our own that were read lately: a caller introspects one token many times,
//! and checking its signature is most of the work.

use std::sync::{Arc, OnceLock};

use quick_cache::sync::Cache;

use super::issued_token::IssuedToken;
use crate::catalog::LoadedAuthorizationServer;

/// Most tokens in memory: each takes some 3 KiB.
const CAPACITY: usize = 4_096;
/// Longest token that is kept, in bytes.
const MAX_BYTES: usize = 4 * 1024;

/// Tokens whose signature was checked or whose seal was opened. Whether one has expired
/// or is revoked, and what its issuer is today, is asked each time.
#[derive(Default)]
pub struct ReadTokens {
    /// By the whole token. Made when the first one is kept: many instances need none.
    kept: OnceLock<Cache<Box<str>, Arc<IssuedToken>>>,
}

impl ReadTokens {
    /// What `server` has read. In another snapshot it may have other keys: then the token
    /// is read again.
    pub(super) fn find(&self, token: &str, server: &Arc<LoadedAuthorizationServer>) -> Option<Arc<IssuedToken>> {
        self.kept.get()?.get(token).filter(|kept| Arc::ptr_eq(&kept.server, server))
    }

    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        if let Some(kept) = self.kept.get() {
            kept.clear();
        }
    }

    pub(super) fn forget(&self, token: &str) {
        if let Some(kept) = self.kept.get() {
            kept.remove(token);
        }
    }

    pub(super) fn keep(&self, token: &str, read: &Arc<IssuedToken>) {
        if token.len() <= MAX_BYTES {
            self.kept.get_or_init(|| Cache::new(CAPACITY)).insert(token.into(), Arc::clone(read));
        }
    }
}
