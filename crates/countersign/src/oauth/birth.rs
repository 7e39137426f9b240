//! What decides whether a new token is alive: no mark may lie after its `iat`, and
//! its `iat` may not lie ahead of the clock.

use countersign_protocol::Timestamp;

use super::{AccessTokenSpec, IssueError};
use crate::app::App;
use crate::catalog::LoadedAuthorizationServer;
use crate::ids::{SigningKeyId, TokenKeyId};
use crate::resource_servers::TokenFormat;
use crate::revocation::TokenFacts;

/// A mark lies at most this far ahead of the clock it was made by; half of it is
/// for other nodes' clocks.
const MAX_AHEAD_SECONDS: i64 = 2;

/// What a mark can name of a token that is about to be issued.
pub(super) struct Birth<'s> {
    spec: &'s AccessTokenSpec,
    key: Option<BirthKey>,
}

/// What makes the token what it is.
#[derive(PartialEq, Eq)]
enum BirthKey {
    Signing(SigningKeyId),
    Token(TokenKeyId),
}

impl BirthKey {
    fn of(spec: &AccessTokenSpec) -> Option<Self> {
        Some(match spec.resource_server.token_format {
            TokenFormat::Jwt => Self::Signing(spec.server.keys.active(spec.signing_alg)?.key_id().clone()),
            TokenFormat::Opaque => Self::Token(spec.server.token_keys.active(spec.now)?.id().clone()),
        })
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Signing(id) => id.as_str(),
            Self::Token(id) => id.as_str(),
        }
    }
}

impl<'s> Birth<'s> {
    pub(super) fn of(spec: &'s AccessTokenSpec) -> Self {
        Self { spec, key: BirthKey::of(spec) }
    }

    /// What it is issued for.
    pub(super) const fn spec(&self) -> &AccessTokenSpec {
        self.spec
    }

    /// Whether `server` still accepts what the key makes.
    pub(super) fn has_accepted_key(&self, server: &LoadedAuthorizationServer) -> bool {
        self.key.as_ref().is_some_and(|key| match key {
            BirthKey::Signing(id) => server.keys.publishes(id),
            BirthKey::Token(id) => server.token_keys.find(id).is_some(),
        })
    }

    /// Whether both are made by the same key.
    pub(super) fn has_key_of(&self, other: &Self) -> bool {
        self.key.is_some() && self.key == other.key
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
            server: spec.server.id.as_str(),
            audience: spec.resource_server.audience.as_str(),
            client_id: spec.client_id.as_str(),
            credential_id: spec.credential_id.as_str(),
            key_id: key.as_ref().map_or("", BirthKey::as_str),
            subject: spec.client_id.as_str(),
        };
        app.revocations.marks.revoking(&facts, spec.issued_at(app.backdate_seconds))
    }
}
