//! The introspection endpoint's steps, in order (RFC 7662).

use countersign_protocol::{ClientId, IntrospectionResponse, Parameters, PresentedToken, Timestamp};

use super::inquiry::{TokenInquiry, TokenInquiryError, inquire};
use super::issued_token::{IssuedToken, read_of_mount};
use crate::app::App;
use crate::catalog::ResolvedMount;
use crate::clients::Client;
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
) -> TokenInquiry<IntrospectionResponse> {
    inquire(app, mount, source, authorization, parameters, async |caller, presented| judge(app, mount, caller, presented).await)
        .await
}

async fn judge(
    app: &App,
    mount: &ResolvedMount,
    caller: &ClientId,
    presented: &PresentedToken,
) -> Result<IntrospectionResponse, TokenInquiryError> {
    let server = &mount.server;
    let Ok(token) = read_of_mount(app, server, presented.expose()) else { return Ok(IntrospectionResponse::Inactive) };
    let holder = app.find_client(&token.client_id).await?;
    let known = Known {
        may_see: server
            .find_audience(token.audience.as_str())
            .is_some_and(|audience| *caller == token.client_id || server.may_introspect(caller, &audience.id)),
        // After the last wait: what was acknowledged before counts.
        is_revoked: token.is_revoked(app),
        holder: holder.as_deref(),
    };
    Ok(decide(token, &known, app.clock.now()))
}

/// What the instance knows about a token besides what the token says.
struct Known<'a> {
    /// Whether the caller may know about it: it was issued to the caller, or is for
    /// a resource server that the caller introspects for.
    may_see: bool,
    /// Whether a mark or a revocation of its own is about it.
    is_revoked: bool,
    /// The client it was issued to.
    holder: Option<&'a Client>,
}

/// Whether a token is active. A token whose client is disabled, or whose credential
/// is revoked, is not, whenever it was issued: a node that had not heard of it yet
/// may have issued it since. Pure.
fn decide(token: IssuedToken, known: &Known<'_>, now: Timestamp) -> IntrospectionResponse {
    let has_credential =
        |client: &Client| client.credentials.iter().any(|own| own.id == token.credential_id && own.revoked_at.is_none());
    let may_hold = known.holder.is_some_and(|client| client.disabled_at.is_none() && has_credential(client));
    if known.may_see && may_hold && !known.is_revoked && now < token.claims.expires_at {
        return IntrospectionResponse::Active(token.claims.all);
    }
    IntrospectionResponse::Inactive
}
