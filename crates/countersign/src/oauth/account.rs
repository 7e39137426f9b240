//! What is counted of a token that was issued.

use std::hash::{Hash, Hasher};

use countersign_protocol::Timestamp;

use super::AccessTokenSpec;
use crate::app::App;
use crate::revocation::TokenFacts;
use crate::usage::Kind;

/// Counts a token, and tells of a client that asks for one which it holds already.
pub(super) fn of_issued(app: &App, spec: &AccessTokenSpec) {
    let expires_at = spec.now.plus_seconds(spec.lifetime_seconds);
    let before = app.habits.hand_out(&spec.credential_id, &Terms(spec), spec.now, expires_at);
    let is_needless = before.is_some_and(|before| !is_revoked(app, spec, before));
    let kinds: &[Kind] = if is_needless { &[Kind::Issued, Kind::Needless] } else { &[Kind::Issued] };
    app.usage.granted(&spec.client_id, &spec.credential_id, &spec.resource_server.id, kinds, spec.now);
    if is_needless {
        app.metrics.usage.needless.inc();
        tell(app, spec);
    }
}

/// Counts a token that was handed out once more with `left` seconds of its life.
pub(super) fn of_reused(app: &App, spec: &AccessTokenSpec, left: i64) {
    let is_needless = left.saturating_mul(2) > spec.lifetime_seconds;
    let kinds: &[Kind] = if is_needless { &[Kind::Reused, Kind::Needless] } else { &[Kind::Reused] };
    app.usage.granted(&spec.client_id, &spec.credential_id, &spec.resource_server.id, kinds, spec.now);
    app.metrics.usage.reused.inc();
    if is_needless {
        app.metrics.usage.needless.inc();
        tell(app, spec);
    }
}

fn tell(app: &App, spec: &AccessTokenSpec) {
    if app.habits.is_worth_a_line(&spec.client_id, spec.now) {
        tracing::warn!(
            client.id = spec.client_id.as_str(),
            credential_id = spec.credential_id.as_str(),
            audience = spec.resource_server.audience.as_str(),
            lifetime_seconds = spec.lifetime_seconds,
            "a client asks again and again for a token that it holds already: it should keep it, or several processes share its credential"
        );
    }
}

/// What makes two tokens as good as each other for whoever holds them.
pub(super) struct Terms<'s>(pub(super) &'s AccessTokenSpec);

impl Hash for Terms<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self(spec) = self;
        spec.resource_server.id.hash(state);
        spec.issuer.as_str().hash(state);
        spec.lifetime_seconds.hash(state);
        for token in spec.scope.iter() {
            token.as_str().hash(state);
        }
    }
}

/// Whether the token before was revoked by what it has in common with others: then the
/// next one is needed.
fn is_revoked(app: &App, spec: &AccessTokenSpec, before: Timestamp) -> bool {
    let facts = TokenFacts {
        server: spec.server.id.as_str(),
        audience: spec.resource_server.audience.as_str(),
        client_id: spec.client_id.as_str(),
        credential_id: spec.credential_id.as_str(),
        key_id: "",
        subject: spec.client_id.as_str(),
    };
    let issued_at = Timestamp::from_seconds(before.as_seconds() - app.backdate_seconds);
    app.revocations.marks.revoking(&facts, issued_at).is_some()
}
