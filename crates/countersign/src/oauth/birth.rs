//! What decides whether a new token is alive: no mark may lie after its `iat`, and
//! its `iat` may not lie ahead of the clock.

use std::sync::Arc;

use countersign_protocol::Timestamp;

use super::{AccessTokenSpec, IssueError};
use crate::app::App;
use crate::catalog::LoadedAuthorizationServer;
use crate::revocation::TokenFacts;
use crate::signing_keys::Signer;

/// A mark lies at most this far ahead of the clock it was made by; half of it is
/// for other nodes' clocks.
const MAX_AHEAD_SECONDS: i64 = 2;

/// What a mark can name of a token that is about to be issued.
pub(super) struct Birth<'s> {
    spec: &'s AccessTokenSpec,
    key: Option<Arc<dyn Signer>>,
}

impl<'s> Birth<'s> {
    pub(super) fn of(spec: &'s AccessTokenSpec) -> Self {
        Self { spec, key: spec.server.keys.active(spec.signing_alg).map(Arc::clone) }
    }

    /// What it is issued for.
    pub(super) const fn spec(&self) -> &AccessTokenSpec {
        self.spec
    }

    /// Whether the key that signs it is in the JWK Set of `server`.
    pub(super) fn has_published_key(&self, server: &LoadedAuthorizationServer) -> bool {
        self.key.as_ref().is_some_and(|key| server.keys.publishes(key.key_id()))
    }

    /// Whether nothing that was revoked until now is about the token.
    pub(super) fn is_alive(&self, app: &App) -> bool {
        self.mark(app).is_none()
    }

    /// When a token like this one will be born alive; `None`: now.
    ///
    /// # Errors
    /// [`IssueError::MarkAhead`].
    pub(super) fn waits_until(&self, app: &App) -> Result<Option<Timestamp>, IssueError> {
        let Some(mark) = self.mark(app) else { return Ok(None) };
        if mark > app.clock.now().plus_seconds(MAX_AHEAD_SECONDS) {
            return Err(IssueError::MarkAhead(mark));
        }
        Ok(Some(mark.plus_seconds(app.backdate_seconds)))
    }

    fn mark(&self, app: &App) -> Option<Timestamp> {
        let Self { spec, key } = self;
        let facts = TokenFacts {
            server: &spec.server.id,
            audience: spec.resource_server.audience.as_str(),
            client_id: spec.client_id.as_str(),
            credential_id: spec.credential_id.as_str(),
            key_id: key.as_ref().map_or("", |key| key.key_id().as_str()),
            subject: spec.client_id.as_str(),
        };
        app.revocations.marks.revoking(&facts, spec.issued_at(app.backdate_seconds))
    }
}
