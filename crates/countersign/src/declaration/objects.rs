//! What there is, as the management API shows it, and the declaration of it.

use std::collections::HashMap;

use serde_json::Value;

use super::file::{AuthorizationServer, Client, Declaration, Grant, Organization, ResourceServer, Scope};

/// An object of the instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Known<T> {
    /// Its id in the API.
    pub id: String,
    /// What it is.
    pub declared: T,
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
    /// Clients, without those that manage the instance; grants apart.
    pub clients: Vec<Known<Client>>,
    /// Their grants, by client.
    pub grants: HashMap<String, Vec<Known<Grant>>>,
}

/// The resource server of the management API: who manages is not declared.
const MANAGEMENT: &str = "rs_management";

impl Current {
    /// Reads the items of the API's lists. Grants are those of each client.
    pub fn read(servers: &[Value], apis: &[Value], organizations: &[Value], clients: &[(Value, Vec<Value>)]) -> Self {
        let mut current = Self {
            authorization_servers: servers.iter().map(authorization_server).collect(),
            resource_servers: apis.iter().filter(|api| text(api, "id") != MANAGEMENT).map(resource_server).collect(),
            organizations: organizations.iter().map(organization).collect(),
            ..Self::default()
        };
        for (found, grants) in clients {
            if grants.iter().any(|grant| text(grant, "resource_server_id") == MANAGEMENT) {
                continue;
            }
            let known = current.client(found);
            let grants = grants.iter().filter_map(|found| current.grant(found)).collect();
            current.grants.insert(known.id.clone(), grants);
            current.clients.push(known);
        }
        current
    }

    /// The same as a declaration.
    pub fn declare(&self) -> Declaration {
        let with_grants = |known: &Known<Client>| {
            let grants = self.grants.get(&known.id).map(Vec::as_slice).unwrap_or_default();
            Client { grants: grants.iter().map(|grant| grant.declared.clone()).collect(), ..known.declared.clone() }
        };
        Declaration {
            authorization_servers: self.authorization_servers.iter().map(|known| known.declared.clone()).collect(),
            resource_servers: self.resource_servers.iter().map(|known| known.declared.clone()).collect(),
            organizations: self.organizations.iter().map(|known| known.declared.clone()).collect(),
            clients: self.clients.iter().map(with_grants).collect(),
            ..Declaration::empty()
        }
    }

    fn client(&self, found: &Value) -> Known<Client> {
        let organization = optional(found, "organization_id");
        let name = |id: String| self.organizations.iter().find(|known| known.id == id).map(|known| known.declared.name.clone());
        Known {
            id: text(found, "client_id"),
            declared: Client {
                client_id: text(found, "client_id"),
                name: text(found, "name"),
                token_endpoint_auth_method: text(found, "token_endpoint_auth_method"),
                token_endpoint_auth_method_enforced: found["token_endpoint_auth_method_enforced"] == true,
                assertion_audience: text(found, "assertion_audience"),
                organization: organization.and_then(name),
                external_id: optional(found, "external_id"),
                disabled: optional(found, "disabled_at").is_some(),
                metadata: found["metadata"].as_object().cloned().unwrap_or_default(),
                grants: Vec::new(),
            },
        }
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

fn authorization_server(found: &Value) -> Known<AuthorizationServer> {
    let declared = AuthorizationServer {
        id: text(found, "id"),
        name: text(found, "name"),
        signing_alg: text(found, "signing_alg"),
        rotation_interval_seconds: found["rotation_interval_seconds"].as_i64().unwrap_or_default(),
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
            token_lifetime_seconds: found["token_lifetime_seconds"].as_i64().unwrap_or_default(),
            scopes: found["scopes"].as_array().map(|scopes| scopes.iter().map(scope).collect()).unwrap_or_default(),
        },
    }
}

fn organization(found: &Value) -> Known<Organization> {
    Known { id: text(found, "id"), declared: Organization { name: text(found, "name") } }
}

fn text(found: &Value, name: &str) -> String {
    optional(found, name).unwrap_or_default()
}

fn optional(found: &Value, name: &str) -> Option<String> {
    found.get(name).and_then(Value::as_str).map(str::to_owned)
}
