//! Tokens that are handed out once more, for the resource servers that choose so: a
//! client that does not keep its tokens costs no signature then.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use countersign_protocol::{Secret, Timestamp, TokenResponse};
use quick_cache::sync::Cache;

use super::account::Terms;
use super::birth::Birth;
use super::issue::{AccessTokenSpec, NewToken};
use super::requester::{Asked, Requester};
use crate::app::App;

/// Most tokens that are kept: some 20 MB.
const MAX_TOKENS: usize = 10_000;

/// The live tokens of this node. They are not encrypted: they lie beside the keys that
/// made them, in the same memory.
pub struct LiveTokens {
    min_life_percent: i64,
    hasher: RandomState,
    /// By the hash of whose they are and of their terms; both are compared in full.
    tokens: Cache<u64, Arc<LiveToken>>,
}

struct LiveToken {
    requester: Requester,
    spec: AccessTokenSpec,
    token_id: String,
    text: Secret<String>,
}

impl LiveTokens {
    /// No tokens. One is handed out while `min_life_percent` of its life are left.
    pub fn new(min_life_percent: u32) -> Self {
        Self { min_life_percent: min_life_percent.into(), hasher: RandomState::new(), tokens: Cache::new(MAX_TOKENS) }
    }

    /// A token that is as good as a new one, if there is one: nothing about it was
    /// revoked, its key still signs, and neither the client nor the resource server has
    /// changed since it was made.
    pub(super) fn find(&self, app: &App, asked: &Asked, spec: &AccessTokenSpec) -> Option<TokenResponse> {
        // Who may not know what others have revoked hands out nothing again.
        if !spec.resource_server.reuse_live_tokens || app.is_behind() {
            return None;
        }
        let tag = self.tag(spec);
        let live = self.tokens.get(&tag)?;
        let left = live.seconds_left(spec.now);
        if !live.is_as_good(app, asked, spec) || left * 100 < spec.lifetime_seconds * self.min_life_percent {
            self.tokens.remove(&tag);
            return None;
        }
        let access_token = live.text.expose().clone();
        Some(TokenResponse {
            access_token,
            issued_token_type: spec.obtained_by.issued_token_type(),
            token_type: "Bearer",
            expires_in: left,
            scope: spec.scope.to_string(),
        })
    }

    /// Keeps a new token, if its resource server wants that.
    pub(super) fn keep(&self, asked: &Asked, spec: &AccessTokenSpec, made: &NewToken) {
        if !spec.resource_server.reuse_live_tokens {
            return;
        }
        let text = Secret::new(made.response.access_token.clone());
        let live = LiveToken { requester: asked.requester(), spec: spec.clone(), token_id: made.token_id.clone(), text };
        self.tokens.insert(self.tag(spec), Arc::new(live));
    }

    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        self.tokens.clear();
    }

    fn tag(&self, spec: &AccessTokenSpec) -> u64 {
        self.hasher.hash_one((&spec.credential_id, Terms(spec)))
    }
}

impl LiveToken {
    fn seconds_left(&self, now: Timestamp) -> i64 {
        self.expires_at().as_seconds() - now.as_seconds()
    }

    fn expires_at(&self) -> Timestamp {
        Timestamp::from_seconds(self.spec.now.as_seconds() + self.spec.lifetime_seconds)
    }

    fn is_as_good(&self, app: &App, asked: &Asked, spec: &AccessTokenSpec) -> bool {
        let (api, own) = (&spec.resource_server, &self.spec.resource_server);
        let birth = Birth::of(&self.spec);
        asked.is_unchanged_since(&self.requester)
            && spec.has_terms_of(&self.spec)
            && (&api.id, api.version) == (&own.id, own.version)
            && birth.has_key_of(&Birth::of(spec))
            // A clock that was set back: it would be from the future.
            && self.spec.now <= spec.now
            && birth.is_alive(app)
            && !app.revocations.tokens.contains(&self.spec.server.id, &self.token_id, self.expires_at())
    }
}
