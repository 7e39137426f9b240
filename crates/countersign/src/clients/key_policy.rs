//! What all API keys of a client are given and bound by.

use crate::api_keys::{Permission, check_limits, check_lists};
use crate::change::{ChangeError, InvalidField};
use crate::config::Network;
use crate::counters::LimitRule;
use crate::management::Authority;
use crate::store::Tx;

/// What every API key of a client has besides its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPolicy {
    /// What each may do besides what it is given itself. Not one for the management API.
    pub permissions: Vec<Permission>,
    /// The names of roles that each has besides its own.
    pub roles: Vec<String>,
    /// Where each is accepted from, if its own networks allow it too; empty: from anywhere.
    pub allowed_networks: Vec<Network>,
    /// How much all of them together may be used in a time.
    pub limits: Vec<LimitRule>,
}

/// What to change of it; `None` keeps.
#[derive(Clone, Debug, Default)]
pub struct KeyPolicyPatch {
    /// See [`KeyPolicy::permissions`]; replaces all of them.
    pub permissions: Option<Vec<Permission>>,
    /// See [`KeyPolicy::roles`]; replaces all of them.
    pub roles: Option<Vec<String>>,
    /// See [`KeyPolicy::allowed_networks`]; replaces all of them.
    pub allowed_networks: Option<Vec<Network>>,
    /// See [`KeyPolicy::limits`]; replaces all of them.
    pub limits: Option<Vec<LimitRule>>,
}

impl KeyPolicy {
    pub(super) fn check(&self) -> Result<(), InvalidField> {
        check_lists(&self.permissions, &self.roles, &self.allowed_networks)?;
        check_limits("limits", &self.limits)
    }
}

impl KeyPolicyPatch {
    pub(super) fn is_empty(&self) -> bool {
        self.permissions.is_none() && self.roles.is_none() && self.allowed_networks.is_none() && self.limits.is_none()
    }

    /// Sets what is given.
    pub fn apply(self, policy: &mut KeyPolicy) {
        let Self { permissions, roles, allowed_networks, limits } = self;
        policy.permissions = permissions.unwrap_or_else(|| std::mem::take(&mut policy.permissions));
        policy.roles = roles.unwrap_or_else(|| std::mem::take(&mut policy.roles));
        policy.allowed_networks = allowed_networks.unwrap_or_else(|| std::mem::take(&mut policy.allowed_networks));
        policy.limits = limits.unwrap_or_else(|| std::mem::take(&mut policy.limits));
    }
}

/// Checks that the maker of a change may give this to a client: who belongs to an
/// organization could lift what bounds it.
///
/// # Errors
/// [`ChangeError::LimitedToOrganization`], [`ChangeError::Invalid`] for a role that does not exist.
pub(super) async fn check(tx: &mut Tx, authority: &Authority, policy: &KeyPolicy) -> Result<(), ChangeError> {
    if authority.organization().is_some() {
        return Err(ChangeError::LimitedToOrganization("what binds all keys of a client is set by callers of no organization"));
    }
    for name in &policy.roles {
        let unknown = || InvalidField::new("roles", name.escape_debug(), "names of roles that exist");
        tx.lock_role(name).await?.ok_or_else(unknown)?;
    }
    Ok(())
}
