//! What the maker of a change may give to a key.

use super::Permission;
use crate::change::{ChangeError, InvalidField};
use crate::ids::ResourceServerId;
use crate::management::{LockedClient, resource_server_id};
use crate::store::Tx;

/// Checks that a key of the locked client may have these permissions and roles for this
/// resource server.
///
/// # Errors
/// [`ChangeError::NotFound`] for the resource server, [`ChangeError::Invalid`] for a role
/// that does not exist, [`ChangeError::ExceedsCaller`].
pub(super) async fn check(
    tx: &mut Tx,
    locked: &LockedClient,
    resource_server: &ResourceServerId,
    permissions: &[Permission],
    roles: &[String],
) -> Result<(), ChangeError> {
    let found = tx.lock_resource_server(resource_server).await?;
    found.ok_or_else(|| ChangeError::NotFound { kind: "resource server", id: resource_server.to_string() })?;
    locked.authority.check_permissions(resource_server, permissions)?;
    if *resource_server == resource_server_id() && !roles.is_empty() {
        return Err(
            InvalidField::new("roles", roles.len(), "none: a key of the management API has the rights that it lists").into()
        );
    }
    for name in roles {
        let role = tx.lock_role(name).await?;
        let role = role.ok_or_else(|| InvalidField::new("roles", name.escape_debug(), "names of roles that exist"))?;
        locked.authority.check_permissions(resource_server, &role.permissions)?;
    }
    Ok(())
}
