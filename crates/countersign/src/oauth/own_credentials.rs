//! What a client may do with its own credentials.

use super::AuthenticatedClient;
use crate::app::App;
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::clients::{self, RotatedSecret, Rotation};
use crate::ids::CredentialId;

/// Rotates a secret of the very client that is authenticated. Whoever holds one of its
/// credentials may: a credential of anybody else does not exist for it.
///
/// # Errors
/// As [`clients::rotate_secret`].
pub async fn rotate_own(
    app: &App,
    by: &Actor,
    own: &AuthenticatedClient,
    credential_id: &CredentialId,
    rotation: Rotation,
) -> Result<RotatedSecret, ChangeError> {
    clients::rotate_secret(app, by, &own.client().id, credential_id, rotation).await
}
