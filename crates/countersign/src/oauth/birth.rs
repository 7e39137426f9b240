//! What decides whether a new token is alive: no mark may lie after its `iat`, and
//! its `iat` may not lie ahead of the clock.

use std::sync::Arc;

use countersign_protocol::Timestamp;

use super::{AccessTokenSpec, AuthenticatedClient, IssueError};
use crate::app::App;
use crate::catalog::LoadedAuthorizationServer;
use crate::resource_servers::ResourceServer;
use crate::revocation::TokenFacts;
use crate::signing_keys::Signer;

/// A mark lies at most this far ahead of the clock it was made by; half of it is
/// for other nodes' clocks.
const MAX_AHEAD_SECONDS: i64 = 2;

/// What a mark can name of a token that is about to be issued.
pub(super) struct Birth<'c> {
    client: &'c AuthenticatedClient,
    server: Arc<LoadedAuthorizationServer>,
    resource_server: Arc<ResourceServer>,
    key: Option<Arc<dyn Signer>>,
    issued_at: Timestamp,
}

impl<'c> Birth<'c> {
    pub(super) fn of(app: &App, client: &'c AuthenticatedClient, spec: &AccessTokenSpec) -> Self {
        Self {
            client,
            server: Arc::clone(&spec.server),
            resource_server: Arc::clone(&spec.resource_server),
            key: spec.server.keys.active(spec.signing_alg).map(Arc::clone),
            issued_at: spec.issued_at(app.backdate_seconds),
        }
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
        let client_id = self.client.client().id.as_str();
        let facts = TokenFacts {
            server: &self.server.id,
            audience: self.resource_server.audience.as_str(),
            client_id,
            credential_id: self.client.credential_id().as_str(),
            key_id: self.key.as_ref().map_or("", |key| key.key_id().as_str()),
            subject: client_id,
        };
        app.revocations.marks.revoking(&facts, self.issued_at)
    }
}
