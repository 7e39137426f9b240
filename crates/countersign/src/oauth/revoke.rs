//! The revocation endpoint's steps, in order (RFC 7009).

use countersign_protocol::{ClientId, Parameters, PresentedToken, RevocationResponse};

use super::inquiry::{TokenInquiry, TokenInquiryError, inquire};
use super::issued_token::read_of_mount;
use crate::app::App;
use crate::audit::Actor;
use crate::catalog::ResolvedMount;
use crate::revocation::revoke_token;
use crate::source_address::SourceAddress;

/// Revokes a token of the client that asks. Whatever else is presented (another
/// client's token, an expired one, any text) gets the same answer and changes nothing.
///
/// # Errors
/// [`TokenInquiryError`], with the client as far as it was authenticated.
pub async fn revoke<'h>(
    app: &App,
    mount: &ResolvedMount,
    source: SourceAddress,
    authorization: impl IntoIterator<Item = &'h [u8]>,
    parameters: &Parameters,
    by: impl FnOnce(ClientId) -> Actor,
) -> TokenInquiry<RevocationResponse> {
    inquire(app, mount, source, authorization, parameters, async |client, presented| {
        revoke_own(app, mount, client, presented, by).await?;
        Ok(RevocationResponse {})
    })
    .await
}

async fn revoke_own(
    app: &App,
    mount: &ResolvedMount,
    client: &ClientId,
    presented: &PresentedToken,
    by: impl FnOnce(ClientId) -> Actor,
) -> Result<(), TokenInquiryError> {
    let Ok(token) = read_of_mount(app, &mount.server, presented.expose()) else { return Ok(()) };
    if token.client_id != *client {
        return Ok(());
    }
    revoke_token(app, &by(token.client_id.clone()), &token).await?;
    // Whoever gives a token back may ask for another.
    app.habits.forget(&token.credential_id);
    Ok(())
}
