//! What there is, as the management API shows it, and the declaration of it.

use serde_json::Value;

use super::credential::{Credential, Jwks, Moment};
use super::file::{AuthorizationServer, Client, Declaration, DeclarationError, Grant, Organization, ResourceServer, Scope};
use super::key_policy::{KeyPolicy, Role};

/// An object of the instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Known<T> {
    /// Its id in the API.
    pub id: String,
    /// What it is.
    pub declared: T,
}

/// A client of the instance.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownClient {
    /// Its id.
    pub id: String,
    /// What it is, with neither keys nor grants.
    pub declared: Client,
    /// Its grants.
    pub grants: Vec<Known<Grant>>,
    /// Its public keys, all that it ever had.
    pub keys: Vec<KnownKeys>,
    /// Whether it has a credential of any kind that is neither revoked nor expired.
    pub has_secret: bool,
}

/// Public keys of a client of the instance.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownKeys {
    /// The id of the credential.
    pub id: String,
    /// What they are.
    pub declared: Credential,
    /// Whether they count.
    pub state: KeysState,
}

impl KnownKeys {
    pub(super) fn is_revoked(&self) -> bool {
        self.state == KeysState::Revoked
    }
}

/// Whether keys count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysState {
    /// Now or later.
    Usable,
    /// Not unless its end is moved.
    Expired,
    /// Never again.
    Revoked,
}

/// A client as the API lists it, with what it lists of it.
#[derive(Clone, Debug, Default)]
pub struct ListedClient {
    /// The client.
    pub client: Value,
    /// Its grants.
    pub grants: Vec<Value>,
    /// Its credentials.
    pub credentials: Vec<Value>,
}

/// Everything that a declaration can speak of.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// Authorization servers.
    pub authorization_servers: Vec<Known<AuthorizationServer>>,
    /// Resource servers, without the management API's own.
    pub resource_servers: Vec<Known<ResourceServer>>,
    /// Organizations.
    pub organizations: Vec<Known<Organization>>,
    /// Roles.
    pub roles: Vec<Known<Role>>,
    /// Clients, without those that manage the instance.
    pub clients: Vec<KnownClient>,
}

/// The resource server of the management API: who manages is not declared.
const MANAGEMENT: &str = "rs_management";

impl Current {
    /// Reads the items of the API's lists.
    ///
    /// # Errors
    /// [`DeclarationError::Shown`].
    pub fn read(
        servers: &[Value],
        apis: &[Value],
        organizations: &[Value],
        roles: &[Value],
        clients: &[ListedClient],
    ) -> Result<Self, DeclarationError> {
        let mut current = Self {
            authorization_servers: servers.iter().map(authorization_server).collect(),
            resource_servers: apis.iter().filter(|api| text(api, "id") != MANAGEMENT).map(resource_server).collect(),
            organizations: organizations.iter().map(organization).collect(),
            roles: roles.iter().map(role).collect::<Result<_, _>>()?,
            ..Self::default()
        };
        for listed in clients {
            if !listed.grants.iter().any(|grant| text(grant, "resource_server_id") == MANAGEMENT) {
                let known = current.client(listed)?;
                current.clients.push(known);
            }
        }
        Ok(current)
    }

    /// The same as a declaration.
    pub fn declare(&self) -> Declaration {
        // An end that has passed can be given to nothing new.
        let usable = |keys: &&KnownKeys| keys.state == KeysState::Usable;
        let whole = |known: &KnownClient| Client {
            credentials: known.keys.iter().filter(usable).map(|keys| keys.declared.clone()).collect(),
            grants: known.grants.iter().map(|grant| grant.declared.clone()).collect(),
            ..known.declared.clone()
        };
        Declaration {
            authorization_servers: self.authorization_servers.iter().map(|known| known.declared.clone()).collect(),
            resource_servers: self.resource_servers.iter().map(|known| known.declared.clone()).collect(),
            organizations: self.organizations.iter().map(|known| known.declared.clone()).collect(),
            roles: self.roles.iter().map(|known| known.declared.clone()).collect(),
            clients: self.clients.iter().map(whole).collect(),
            ..Declaration::empty()
        }
    }

    fn client(&self, listed: &ListedClient) -> Result<KnownClient, DeclarationError> {
        let found = &listed.client;
        let are_keys = |found: &&Value| found["kind"] != "secret";
        Ok(KnownClient {
            id: text(found, "client_id"),
            declared: self.bare_client(found)?,
            grants: listed.grants.iter().filter_map(|found| self.grant(found)).collect(),
            keys: listed.credentials.iter().filter(are_keys).map(keys).collect::<Result<_, _>>()?,
            has_secret: listed.credentials.iter().any(|found| text(found, "kind") == "secret" && state(found) == KeysState::Usable),
        })
    }

    fn bare_client(&self, found: &Value) -> Result<Client, DeclarationError> {
        let organization = optional(found, "organization_id");
        let name = |id: String| self.organizations.iter().find(|known| known.id == id).map(|known| known.declared.name.clone());
        Ok(Client {
            client_id: text(found, "client_id"),
            name: text(found, "name"),
            token_endpoint_auth_method: text(found, "token_endpoint_auth_method"),
            token_endpoint_auth_method_enforced: found["token_endpoint_auth_method_enforced"] == true,
            assertion_audience: text(found, "assertion_audience"),
            organization: organization.and_then(name),
            external_id: optional(found, "external_id"),
            disabled: optional(found, "disabled_at").is_some(),
            metadata: found["metadata"].as_object().cloned().unwrap_or_default(),
            key_policy: KeyPolicy::shown(found).ok_or_else(|| DeclarationError::Shown(text(found, "client_id")))?,
            credentials: Vec::new(),
            grants: Vec::new(),
        })
    }

    fn grant(&self, found: &Value) -> Option<Known<Grant>> {
        let id = text(found, "resource_server_id");
        let api = &self.resource_servers.iter().find(|known| known.id == id)?.declared;
        Some(Known {
            id: text(found, "id"),
            declared: Grant {
                audience: api.audience.clone(),
                authorization_server: api.authorization_server.clone(),
                scope: text(found, "scope"),
                token_lifetime_seconds: found["token_lifetime_seconds"].as_i64(),
            },
        })
    }
}

/// Fails rather than to take keys for others, or for none.
fn keys(found: &Value) -> Result<KnownKeys, DeclarationError> {
    let id = text(found, "id");
    let time = |name| optional(found, name).map(|text| Moment::parse(&text).ok_or(())).transpose();
    let jwks = found.get("jwks").filter(|jwks| !jwks.is_null()).map(|jwks| Jwks::try_from(jwks.clone()).map_err(drop));
    let read = || {
        Ok(Credential {
            label: text(found, "label"),
            jwks_uri: optional(found, "jwks_uri"),
            not_before: time("not_before")?,
            expires_at: time("expires_at")?,
            jwks: jwks.transpose()?,
        })
    };
    match read() {
        Ok(declared) if declared.kind() == found["kind"].as_str() => Ok(KnownKeys { id, declared, state: state(found) }),
        Ok(_) | Err(()) => Err(DeclarationError::Shown(id)),
    }
}

fn state(found: &Value) -> KeysState {
    match found["state"].as_str() {
        Some("revoked") => KeysState::Revoked,
        Some("expired") => KeysState::Expired,
        Some(_) | None => KeysState::Usable,
    }
}

fn authorization_server(found: &Value) -> Known<AuthorizationServer> {
    let declared = AuthorizationServer {
        id: text(found, "id"),
        name: text(found, "name"),
        signing_alg: text(found, "signing_alg"),
        rotation_interval_seconds: found["rotation_interval_seconds"].as_i64().unwrap_or_default(),
        status_lists: found["status_lists"].as_bool().unwrap_or_default(),
    };
    Known { id: declared.id.clone(), declared }
}

fn resource_server(found: &Value) -> Known<ResourceServer> {
    let scope = |found: &Value| Scope { scope: text(found, "scope"), description: text(found, "description") };
    Known {
        id: text(found, "id"),
        declared: ResourceServer {
            audience: text(found, "audience"),
            authorization_server: text(found, "authorization_server_id"),
            name: text(found, "name"),
            profile: text(found, "profile"),
            signing_alg: optional(found, "signing_alg"),
            token_format: text(found, "token_format"),
            reuse_live_tokens: found["reuse_live_tokens"].as_bool().unwrap_or_default(),
            token_lifetime_seconds: found["token_lifetime_seconds"].as_i64().unwrap_or_default(),
            scopes: found["scopes"].as_array().map(|scopes| scopes.iter().map(scope).collect()).unwrap_or_default(),
        },
    }
}

fn organization(found: &Value) -> Known<Organization> {
    Known { id: text(found, "id"), declared: Organization { name: text(found, "name") } }
}

fn role(found: &Value) -> Result<Known<Role>, DeclarationError> {
    let id = text(found, "name");
    let declared = Role::shown(found).ok_or_else(|| DeclarationError::Shown(id.clone()))?;
    Ok(Known { id, declared })
}

fn text(found: &Value, name: &str) -> String {
    optional(found, name).unwrap_or_default()
}

fn optional(found: &Value, name: &str) -> Option<String> {
    found.get(name).and_then(Value::as_str).map(str::to_owned)
}
