//! What binds the API keys of a client, and roles: keys themselves are secrets and have no
//! place in the file.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Permissions under a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// What whoever has it may do.
    #[serde(default)]
    pub permissions: Vec<String>,
}

/// What all API keys of a client are given and bound by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyPolicy {
    /// What each may do besides its own permissions.
    pub permissions: Vec<String>,
    /// The names of roles that each has besides its own.
    pub roles: Vec<String>,
    /// Where each is accepted from; empty: from anywhere.
    pub allowed_networks: Vec<String>,
    /// How much all of them together may be used in a time.
    pub limits: Vec<Limit>,
}

/// So much in a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// What a verification asks for it by.
    pub name: String,
    /// Most that a window holds.
    pub limit: u32,
    /// How long a window is.
    pub duration_seconds: u32,
    /// Whether it holds for verifications that do not name it.
    #[serde(default = "applies")]
    pub auto_apply: bool,
    /// What happens to a verification that cannot be counted.
    #[serde(default = "deny")]
    pub on_unreachable: String,
}

impl KeyPolicy {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As the API shows it; what is not read as it is shown is [`None`].
    pub(super) fn shown(found: &Value) -> Option<Self> {
        match found.get("key_policy") {
            None => Some(Self::default()),
            Some(policy) => Self::deserialize(policy).ok(),
        }
    }
}

impl Role {
    /// The same of a role.
    pub(super) fn shown(found: &Value) -> Option<Self> {
        let members = |name: &str| found.get(name).cloned().unwrap_or_default();
        let [name, description, permissions] = ["name", "description", "permissions"].map(members);
        serde_json::from_value(serde_json::json!({ "name": name, "description": description, "permissions": permissions })).ok()
    }
}

const fn applies() -> bool {
    true
}

fn deny() -> String {
    "deny".to_owned()
}
