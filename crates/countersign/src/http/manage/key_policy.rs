//! What all keys of a client are given and bound by, as it is given and shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::given;
use super::keys::{networks, permissions};
use super::limits::{LimitBody, limits};
use crate::change::InvalidField;
use crate::clients::{KeyPolicy, KeyPolicyPatch};

/// What every API key of the client is given besides its own, and bound by.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyPolicy)]
pub(super) struct KeyPolicyView {
    /// What each may do; not one for the management API
    permissions: Vec<String>,
    /// Names of roles that each has
    roles: Vec<String>,
    /// Networks that each may be used from, if its own allow it too; empty: from everywhere
    allowed_networks: Vec<String>,
    /// How much all of them together may be used in a time
    limits: Vec<LimitBody>,
}

/// What is to be set of it; what is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyPolicyPatch)]
pub(super) struct KeyPolicyBody {
    /// What each may do; replaces all
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<String>, required = false)]
    permissions: Option<Vec<String>>,
    /// Names of roles that each has; replaces all
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<String>, required = false)]
    roles: Option<Vec<String>>,
    /// Networks that each may be used from; replaces all
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<String>, required = false)]
    allowed_networks: Option<Vec<String>>,
    /// How much all of them together may be used in a time; replaces all
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<LimitBody>, required = false)]
    limits: Option<Vec<LimitBody>>,
}

impl KeyPolicyView {
    pub(super) fn of(policy: &KeyPolicy) -> Self {
        Self {
            permissions: policy.permissions.iter().map(ToString::to_string).collect(),
            roles: policy.roles.clone(),
            allowed_networks: policy.allowed_networks.iter().map(ToString::to_string).collect(),
            limits: policy.limits.iter().map(LimitBody::of).collect(),
        }
    }
}

impl KeyPolicyBody {
    pub(super) fn checked(self) -> Result<KeyPolicyPatch, InvalidField> {
        Ok(KeyPolicyPatch {
            permissions: self.permissions.as_deref().map(permissions).transpose()?,
            roles: self.roles,
            allowed_networks: self.allowed_networks.as_deref().map(networks).transpose()?,
            limits: self.limits.map(limits).transpose()?,
        })
    }
}
