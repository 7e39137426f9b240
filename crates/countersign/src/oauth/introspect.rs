//! The introspection endpoint's steps, in order (RFC 7662).

use std::sync::Arc;

use countersign_protocol::{ClientId, Parameters, Timestamp};

use super::holder::Holder;
use super::inquiry::{TokenInquiry, TokenInquiryError, inquire};
use super::introspection_answer::{IntrospectionAnswer, IntrospectionFormat, answer};
use super::issued_token::{IssuedToken, read_of_mount};
use crate::app::App;
use crate::catalog::ResolvedMount;
use crate::resource_servers::ResourceServer;
use crate::source_address::SourceAddress;

/// Answers an introspection.
///
/// # Errors
/// [`TokenInquiryError`], with the client as far as it was authenticated.
pub async fn introspect<'h>(
    app: &App,
    mount: &ResolvedMount,
    source: SourceAddress,
    authorization: impl IntoIterator<Item = &'h [u8]>,
    parameters: &Parameters,
    format: IntrospectionFormat,
) -> TokenInquiry<IntrospectionAnswer> {
    inquire(app, mount, source, authorization, parameters, async |caller, presented| {
        answer(&Question { app, caller, token: presented.expose() }, mount, format).await
    })
    .await
}

/// Who asks about which token.
pub(super) struct Question<'q> {
    pub(super) app: &'q App,
    pub(super) caller: &'q ClientId,
    pub(super) token: &'q str,
}

impl Question<'_> {
    /// The token, if it is active for the caller at this moment.
    pub(super) async fn judge(&self, mount: &ResolvedMount) -> Result<Option<Active>, TokenInquiryError> {
        let (app, server) = (self.app, &mount.server);
        let Ok(token) = read_of_mount(app, server, self.token) else { return Ok(None) };
        let Some(audience) = server.find_audience(token.audience.as_str()) else { return Ok(None) };
        let introspects = server.may_introspect(self.caller, &audience.id);
        let holder = Holder::of(app, &token).await?;
        let known = Known {
            may_see: introspects || *self.caller == token.client_id,
            // After the last wait: what was acknowledged before counts.
            is_revoked: token.is_revoked(app),
            may_hold: holder.is_some_and(|holder| holder.may_hold(&token)),
        };
        let is_active = is_active(&token, &known, app.clock.now());
        Ok(is_active.then(|| Active { audience: Arc::clone(audience), introspects, token }))
    }
}

/// A token that is active for who asks.
pub(super) struct Active {
    pub(super) token: Arc<IssuedToken>,
    /// Whom it is for.
    pub(super) audience: Arc<ResourceServer>,
    /// Whether the caller introspects for that resource server, and is not only the
    /// client that the token was issued to.
    pub(super) introspects: bool,
}

/// What the instance knows about a token besides what the token says.
struct Known {
    /// Whether the caller may know about it: it was issued to the caller, or is for
    /// a resource server that the caller introspects for.
    may_see: bool,
    /// Whether a mark or a revocation of its own is about it.
    is_revoked: bool,
    /// Whether whom it was issued to, and what it was obtained with, are in force.
    may_hold: bool,
}

/// Whether a token is active. A token whose client is disabled, or whose credential
/// is revoked, is not, whenever it was issued: a node that had not heard of it yet
/// may have issued it since. Pure.
fn is_active(token: &IssuedToken, known: &Known, now: Timestamp) -> bool {
    known.may_see && known.may_hold && !known.is_revoked && now < token.claims.expires_at
}
