//! The file: TOML. Objects name each other by what people call them (the id of an
//! authorization server, an audience, the name of an organization, a `client_id`),
//! so that one file fits several instances. There is no place for a secret;
//! the public keys of clients are none.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::credential::Credential;
use super::key_policy::{KeyPolicy, Role};

/// The version of the file's shape.
const FORMAT: i64 = 1;

/// What there should be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    pub(super) format: i64,
    /// Authorization servers.
    #[serde(default, rename = "authorization_server", skip_serializing_if = "Vec::is_empty")]
    pub authorization_servers: Vec<AuthorizationServer>,
    /// Resource servers.
    #[serde(default, rename = "resource_server", skip_serializing_if = "Vec::is_empty")]
    pub resource_servers: Vec<ResourceServer>,
    /// Organizations.
    #[serde(default, rename = "organization", skip_serializing_if = "Vec::is_empty")]
    pub organizations: Vec<Organization>,
    /// Roles.
    #[serde(default, rename = "role", skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// Clients, each with its public keys and its grants.
    #[serde(default, rename = "client", skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<Client>,
}

/// An authorization server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationServer {
    /// Its id, part of its issuer URL.
    pub id: String,
    /// For people.
    pub name: String,
    /// How it signs.
    #[serde(default = "rs256")]
    pub signing_alg: String,
    /// How long a key signs until its successor takes over.
    #[serde(default = "rotation_interval")]
    pub rotation_interval_seconds: i64,
    /// Whether its JWTs have a place in a status list.
    #[serde(default)]
    pub status_lists: bool,
}

/// A resource server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceServer {
    /// The `aud` of its tokens.
    pub audience: String,
    /// Who issues them.
    #[serde(default = "default_server")]
    pub authorization_server: String,
    /// For people.
    pub name: String,
    /// Which extra claims its tokens carry.
    #[serde(default = "rfc9068")]
    pub profile: String,
    /// How its tokens are signed, if not as its authorization server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_alg: Option<String>,
    /// What its tokens look like.
    #[serde(default = "jwt")]
    pub token_format: String,
    /// Whether a client that asks for a token that it holds gets that one again.
    #[serde(default)]
    pub reuse_live_tokens: bool,
    /// Lifetime of its tokens.
    #[serde(default = "lifetime")]
    pub token_lifetime_seconds: i64,
    /// Its scopes.
    #[serde(default)]
    pub scopes: Vec<Scope>,
}

/// A scope of a resource server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The token on the wire.
    pub scope: String,
    /// For people.
    #[serde(default)]
    pub description: String,
}

/// An organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organization {
    /// Its name, by which the file knows it.
    pub name: String,
}

/// A client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its id.
    pub client_id: String,
    /// For people.
    pub name: String,
    /// How it authenticates.
    #[serde(default = "basic")]
    pub token_endpoint_auth_method: String,
    /// Whether only that way is accepted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub token_endpoint_auth_method_enforced: bool,
    /// What `aud` of its assertions may be.
    #[serde(default = "issuer", skip_serializing_if = "is_issuer")]
    pub assertion_audience: String,
    /// The name of its organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// What its owner calls it elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Whether it is disabled.
    #[serde(default, skip_serializing_if = "is_false")]
    pub disabled: bool,
    /// What its owner wants to know of it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// What all of its API keys are given and bound by.
    #[serde(default, skip_serializing_if = "KeyPolicy::is_empty")]
    pub key_policy: KeyPolicy,
    /// Its public keys; secrets have no place here.
    #[serde(default, rename = "credential", skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Credential>,
    /// What it may ask for.
    #[serde(default, rename = "grant", skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
}

/// A grant of a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// For which resource server.
    pub audience: String,
    /// Who issues its tokens.
    #[serde(default = "default_server")]
    pub authorization_server: String,
    /// The scopes.
    pub scope: String,
    /// Overrides the resource server's lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_lifetime_seconds: Option<i64>,
}

/// Why a text is no declaration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationError {
    /// It is not what the format says. Nothing of the text is quoted: it may hold what
    /// should not be there.
    #[error("{0}")]
    Malformed(String),
    /// It is of another version.
    #[error("`format` is {0}; this binary reads {FORMAT}")]
    Format(i64),
    /// Two objects have one name.
    #[error("there are two {kind}s `{name}`")]
    Twice {
        /// What kind of object.
        kind: &'static str,
        /// What both are called.
        name: String,
    },
    /// A credential is one source of keys.
    #[error("the credential `{label}` of the client `{client}` has either `jwks` or `jwks_uri`: a secret has no place in the file")]
    Source {
        /// Whose it is.
        client: String,
        /// Which.
        label: String,
    },
    /// What the API shows of an object is not what this binary knows.
    #[error("`{0}` is not shown as this binary reads it: is the server of another version?")]
    Shown(String),
    /// An object names one that the file does not have.
    #[error("{who} names the {kind} `{name}`, which is neither in the file nor in the instance")]
    Unknown {
        /// Who names it.
        who: String,
        /// What kind of object.
        kind: &'static str,
        /// What it is called.
        name: String,
    },
}

impl Declaration {
    /// A declaration of nothing.
    pub fn empty() -> Self {
        Self { format: FORMAT, ..Self::default() }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`DeclarationError`], with the place in the text.
    pub fn parse(text: &str) -> Result<Self, DeclarationError> {
        let found: Self = toml::from_str(text).map_err(|error| malformed(text, &error))?;
        if found.format != FORMAT {
            return Err(DeclarationError::Format(found.format));
        }
        let pair = |server: &str, audience: &str| format!("{audience} of {server}");
        once("authorization server", found.authorization_servers.iter().map(|server| server.id.clone()))?;
        once("organization", found.organizations.iter().map(|organization| organization.name.clone()))?;
        once("role", found.roles.iter().map(|role| role.name.clone()))?;
        once("client", found.clients.iter().map(|client| client.client_id.clone()))?;
        once("resource server", found.resource_servers.iter().map(|api| pair(&api.authorization_server, &api.audience)))?;
        for client in &found.clients {
            if let Some(wrong) = client.credentials.iter().find(|credential| credential.kind().is_none()) {
                return Err(DeclarationError::Source { client: client.client_id.clone(), label: wrong.label.clone() });
            }
            let grants = client.grants.iter();
            once(
                "grant",
                grants.map(|grant| format!("{} -> {}", client.client_id, pair(&grant.authorization_server, &grant.audience))),
            )?;
        }
        Ok(found)
    }

    /// The file.
    ///
    /// # Errors
    /// [`DeclarationError::Malformed`] for metadata that TOML cannot say (null).
    pub fn to_text(&self) -> Result<String, DeclarationError> {
        toml::to_string_pretty(self).map_err(|error| DeclarationError::Malformed(error.to_string()))
    }
}

/// What is wrong, and where, without the line itself.
fn malformed(text: &str, error: &toml::de::Error) -> DeclarationError {
    let before = error.span().and_then(|span| text.get(..span.start));
    let place = before.map(|before| format!("line {}: ", before.matches('\n').count() + 1));
    DeclarationError::Malformed(format!("{}{}", place.unwrap_or_default(), without_text(error.message())))
}

/// The message without the text that stands where something else is expected.
fn without_text(message: &str) -> String {
    match (message.find("string \""), message.rfind("\", expected ")) {
        (Some(begin), Some(end)) if begin < end => {
            format!("{}a text{}", message.get(..begin).unwrap_or_default(), message.get(end + 1..).unwrap_or_default())
        }
        _ => message.to_owned(),
    }
}

fn once(kind: &'static str, names: impl Iterator<Item = String>) -> Result<(), DeclarationError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name.clone()) {
            return Err(DeclarationError::Twice { kind, name });
        }
    }
    Ok(())
}

fn rs256() -> String {
    "RS256".to_owned()
}

fn default_server() -> String {
    "default".to_owned()
}

fn jwt() -> String {
    "jwt".to_owned()
}

fn rfc9068() -> String {
    "rfc9068".to_owned()
}

fn issuer() -> String {
    "issuer".to_owned()
}

fn is_issuer(audience: &str) -> bool {
    audience == "issuer"
}

const fn rotation_interval() -> i64 {
    crate::signing_keys::DEFAULT_ROTATION_INTERVAL_SECONDS
}

fn basic() -> String {
    "client_secret_basic".to_owned()
}

const fn lifetime() -> i64 {
    crate::resource_servers::DEFAULT_TOKEN_LIFETIME_SECONDS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}
