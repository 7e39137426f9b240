//! The difference between what there should be and what there is: pure.

use countersign_protocol::ClientAuthMethod;
use serde_json::{Value, json};

use super::credential::Credential;
use super::file::{AuthorizationServer, Client, Declaration, DeclarationError, Grant, Organization, ResourceServer};
use super::key_policy::Role;
use super::objects::{Current, KeysState, Known, KnownClient};
use super::pairing::pair;
use super::step::{Action, Change, Plan, Unable, Wanted};
use crate::signing_keys::DEFAULT_ROTATION_INTERVAL_SECONDS;

/// Compares. Whatever is not in the file stays, unless `prune`.
///
/// # Errors
/// [`DeclarationError::Unknown`] when the file names what is nowhere.
pub fn plan(wanted: &Declaration, current: &Current, prune: bool) -> Result<Plan, DeclarationError> {
    let mut planner = Planner { wanted, current, prune, plan: Plan::default() };
    for server in &wanted.authorization_servers {
        planner.authorization_server(server);
    }
    for api in &wanted.resource_servers {
        planner.resource_server(api)?;
    }
    for organization in &wanted.organizations {
        planner.organization(organization);
    }
    for role in &wanted.roles {
        planner.role(role);
    }
    for client in &wanted.clients {
        planner.client(client)?;
    }
    planner.what_is_left_over();
    Ok(planner.plan)
}

struct Planner<'a> {
    prune: bool,
    wanted: &'a Declaration,
    current: &'a Current,
    plan: Plan,
}

impl Planner<'_> {
    fn authorization_server(&mut self, server: &AuthorizationServer) {
        let members = |server: &AuthorizationServer| {
            json!({
                "name": server.name, "signing_alg": server.signing_alg,
                "rotation_interval_seconds": server.rotation_interval_seconds, "status_lists": server.status_lists,
            })
        };
        let found = self.current.authorization_servers.iter().find(|known| known.id == server.id);
        let present = found.map(|known| (known.id.clone(), members(&known.declared)));
        let mut body = members(server);
        if present.is_none() {
            // It begins with the usual interval.
            body = json!({ "id": server.id, "name": server.name, "signing_alg": server.signing_alg, "status_lists": server.status_lists });
        }
        let is_new = present.is_none();
        self.plan.compare(Wanted::new("authorization server", &server.id, "/authorization-servers", body), present);
        let (usual, wanted) = (DEFAULT_ROTATION_INTERVAL_SECONDS, server.rotation_interval_seconds);
        if is_new && wanted != usual {
            let change = Change::new("rotation_interval_seconds", &usual.into(), &wanted.into());
            let body = json!({ "rotation_interval_seconds": wanted });
            let path = format!("/authorization-servers/{}", server.id);
            self.plan.steps.push(Wanted::new("authorization server", &server.id, &path, body).step(Action::Update, vec![change]));
        }
    }

    fn resource_server(&mut self, api: &ResourceServer) -> Result<(), DeclarationError> {
        let name = format!("{} of {}", api.audience, api.authorization_server);
        let is_there = self.wanted.authorization_servers.iter().any(|server| server.id == api.authorization_server)
            || self.current.authorization_servers.iter().any(|known| known.id == api.authorization_server);
        if !is_there {
            return Err(unknown(&name, "authorization server", &api.authorization_server));
        }
        let body = json!({
            "authorization_server_id": api.authorization_server, "audience": api.audience, "name": api.name,
            "profile": api.profile, "signing_alg": api.signing_alg, "token_format": api.token_format,
            "reuse_live_tokens": api.reuse_live_tokens, "token_lifetime_seconds": api.token_lifetime_seconds, "scopes": api.scopes,
        });
        let found = self.current.resource_server(&api.authorization_server, &api.audience);
        let present = found.map(|known| {
            let api = &known.declared;
            let members = json!({
                "name": api.name, "profile": api.profile, "signing_alg": api.signing_alg,
                "token_format": api.token_format, "reuse_live_tokens": api.reuse_live_tokens,
                "token_lifetime_seconds": api.token_lifetime_seconds, "scopes": api.scopes,
            });
            (known.id.clone(), members)
        });
        let makes = placeholder("resource_server", &name);
        self.plan
            .compare(Wanted { makes: Some(makes), ..Wanted::new("resource server", &name, "/resource-servers", body) }, present);
        Ok(())
    }

    fn organization(&mut self, organization: &Organization) {
        let found = self.current.organizations.iter().find(|known| known.declared == *organization);
        let present = found.map(|known| (known.id.clone(), json!({ "name": known.declared.name })));
        let makes = placeholder("organization", &organization.name);
        let wanted = Wanted::new("organization", &organization.name, "/organizations", json!({ "name": organization.name }));
        self.plan.compare(Wanted { makes: Some(makes), ..wanted }, present);
    }

    fn role(&mut self, role: &Role) {
        let members = |role: &Role| json!({ "description": role.description, "permissions": role.permissions });
        let found = self.current.roles.iter().find(|known| known.id == role.name);
        let present = found.map(|known| (known.id.clone(), members(&known.declared)));
        let body = json!({ "name": role.name, "description": role.description, "permissions": role.permissions });
        self.plan.compare(Wanted::new("role", &role.name, "/roles", body), present);
    }

    fn client(&mut self, client: &Client) -> Result<(), DeclarationError> {
        let id = &client.client_id;
        let organization_id = match &client.organization {
            Some(name) => Some(self.organization_id(id, name)?),
            None => None,
        };
        let found = self.current.find_client(id);
        let is_new_without_policy = found.is_none() && client.key_policy.is_empty();
        let body = json!({
            "client_id": id, "name": client.name, "token_endpoint_auth_method": client.token_endpoint_auth_method,
            "token_endpoint_auth_method_enforced": client.token_endpoint_auth_method_enforced,
            "assertion_audience": client.assertion_audience,
            "organization_id": organization_id, "external_id": client.external_id, "metadata": client.metadata,
            "key_policy": (!is_new_without_policy).then_some(&client.key_policy),
            // Nobody would learn the secret.
            "make_secret": false,
        });
        let present = found.map(|known| (id.clone(), self.present_client(&known.declared)));
        self.plan.compare(Wanted::new("client", id, "/clients", body), present);
        if client.disabled != found.is_some_and(|known| known.declared.disabled) {
            let verb = if client.disabled { "disable" } else { "enable" };
            let change = Change { member: "disabled".to_owned(), from: (!client.disabled).into(), to: client.disabled.into() };
            let wanted = Wanted::new("client", id, &format!("/clients/{id}/{verb}"), Value::Null);
            self.plan.steps.push(wanted.step(Action::Update, vec![change]));
        }
        self.credentials(client, found);
        for grant in &client.grants {
            self.grant(client, grant, found)?;
        }
        Ok(())
    }

    /// Only public keys: the secrets of a client are none of the file's business.
    fn credentials(&mut self, client: &Client, found: Option<&KnownClient>) {
        let id = &client.client_id;
        let known = found.map(|found| found.keys.as_slice()).unwrap_or_default();
        let pairs = pair(&client.credentials, known);
        let is_kept = |place: usize| !self.prune && !pairs.contains(&Some(place));
        let mut can_authenticate = found.is_some_and(|found| found.has_secret)
            || known.iter().enumerate().any(|(place, keys)| keys.state == KeysState::Usable && is_kept(place));
        for (credential, place) in client.credentials.iter().zip(&pairs) {
            let same = place.and_then(|place| known.get(place));
            let was_revoked = || {
                known.iter().any(|keys| {
                    keys.is_revoked() && keys.declared.label == credential.label && keys.declared.has_keys_of(credential)
                })
            };
            let title = credential.title(id);
            if same.is_none() && was_revoked() {
                self.plan.revoked.push(title);
                continue;
            }
            // What has ended does so until its end is moved.
            can_authenticate |=
                same.is_none_or(|keys| keys.state == KeysState::Usable || keys.declared.expires_at != credential.expires_at);
            let path = format!("/clients/{id}/credentials");
            let present = same.map(|keys| (keys.id.clone(), changeable(&keys.declared)));
            self.plan.compare(Wanted::new("credential", &title, &path, credential_body(credential)), present);
        }
        if !can_authenticate {
            let method = ClientAuthMethod::from_name(&client.token_endpoint_auth_method);
            let uses_secret = method.is_none_or(ClientAuthMethod::uses_secret);
            self.plan.without_credential.push(Unable { client_id: id.clone(), uses_secret });
        }
    }

    fn present_client(&self, client: &Client) -> Value {
        let id = |name: &String| {
            self.current.organizations.iter().find(|known| known.declared.name == *name).map(|known| known.id.clone())
        };
        json!({
            "name": client.name, "token_endpoint_auth_method": client.token_endpoint_auth_method,
            "token_endpoint_auth_method_enforced": client.token_endpoint_auth_method_enforced,
            "assertion_audience": client.assertion_audience,
            "organization_id": client.organization.as_ref().and_then(id), "external_id": client.external_id, "metadata": client.metadata,
            "key_policy": client.key_policy,
        })
    }

    fn grant(&mut self, client: &Client, grant: &Grant, found: Option<&KnownClient>) -> Result<(), DeclarationError> {
        let api = format!("{} of {}", grant.audience, grant.authorization_server);
        let name = format!("{} -> {}", client.client_id, grant.audience);
        let declared = self.wanted.resource_servers.iter();
        let is_declared = declared
            .into_iter()
            .any(|wanted| wanted.audience == grant.audience && wanted.authorization_server == grant.authorization_server);
        let resource_server_id = match self.current.resource_server(&grant.authorization_server, &grant.audience) {
            Some(known) => known.id.clone(),
            None if is_declared => placeholder("resource_server", &api),
            None => return Err(unknown(&name, "resource server", &api)),
        };
        let body = json!({
            "resource_server_id": resource_server_id, "scope": grant.scope, "token_lifetime_seconds": grant.token_lifetime_seconds,
        });
        let found = found.and_then(|client| client.grants.iter().find(|known| is_same_grant(&known.declared, grant)));
        let present = found.map(|known| {
            let members = json!({ "scope": known.declared.scope, "token_lifetime_seconds": known.declared.token_lifetime_seconds });
            (known.id.clone(), members)
        });
        self.plan.compare(Wanted::new("grant", &name, &format!("/clients/{}/grants", client.client_id), body), present);
        Ok(())
    }

    fn organization_id(&self, who: &str, name: &str) -> Result<String, DeclarationError> {
        if let Some(known) = self.current.organizations.iter().find(|known| known.declared.name == name) {
            return Ok(known.id.clone());
        }
        let is_declared = self.wanted.organizations.iter().any(|organization| organization.name == name);
        if is_declared { Ok(placeholder("organization", name)) } else { Err(unknown(who, "organization", name)) }
    }

    /// Deletes come in the opposite order of creations.
    fn what_is_left_over(&mut self) {
        let (wanted, current) = (self.wanted, self.current);
        let mut left = Vec::new();
        for known in &current.clients {
            let Some(client) = wanted.clients.iter().find(|client| client.client_id == known.id) else {
                left.push(("client", known.id.clone(), format!("/clients/{}", known.id)));
                continue;
            };
            let pairs = pair(&client.credentials, &known.keys);
            for (place, keys) in known.keys.iter().enumerate() {
                if keys.state == KeysState::Usable && !pairs.contains(&Some(place)) {
                    let path = format!("/clients/{}/credentials/{}", known.id, keys.id);
                    left.push(("credential", keys.declared.title(&known.id), path));
                }
            }
            for grant in &known.grants {
                if !client.grants.iter().any(|wanted| is_same_grant(wanted, &grant.declared)) {
                    let name = format!("{} -> {}", known.id, grant.declared.audience);
                    left.push(("grant", name, format!("/clients/{}/grants/{}", known.id, grant.id)));
                }
            }
        }
        for known in current.roles.iter().filter(|known| wanted.roles.iter().all(|role| role.name != known.id)) {
            left.push(("role", known.id.clone(), format!("/roles/{}", known.id)));
        }
        for known in current.organizations.iter().filter(|known| !wanted.organizations.contains(&known.declared)) {
            left.push(("organization", known.declared.name.clone(), format!("/organizations/{}", known.id)));
        }
        for known in &current.resource_servers {
            let api = &known.declared;
            let same = |wanted: &ResourceServer| {
                wanted.audience == api.audience && wanted.authorization_server == api.authorization_server
            };
            if !wanted.resource_servers.iter().any(same) {
                left.push((
                    "resource server",
                    format!("{} of {}", api.audience, api.authorization_server),
                    format!("/resource-servers/{}", known.id),
                ));
            }
        }
        for known in current.authorization_servers.iter().filter(|known| known.id != "default") {
            if !wanted.authorization_servers.iter().any(|server| server.id == known.id) {
                left.push(("authorization server", known.id.clone(), format!("/authorization-servers/{}", known.id)));
            }
        }
        for (kind, name, path) in left {
            if self.prune {
                self.plan.steps.push(Wanted::new(kind, &name, &path, Value::Null).step(Action::Delete, Vec::new()));
            } else {
                self.plan.kept.push(format!("{kind} {name}"));
            }
        }
    }
}

impl Current {
    fn find_client(&self, id: &str) -> Option<&KnownClient> {
        self.clients.iter().find(|known| known.id == id)
    }

    fn resource_server(&self, server: &str, audience: &str) -> Option<&Known<ResourceServer>> {
        self.resource_servers
            .iter()
            .find(|known| known.declared.audience == audience && known.declared.authorization_server == server)
    }
}

/// A new credential.
fn credential_body(credential: &Credential) -> Value {
    let Credential { label, jwks_uri, not_before, expires_at, jwks } = credential;
    json!({
        "label": label, "kind": credential.kind(), "jwks": jwks, "jwks_uri": jwks_uri, "not_before": not_before,
        "expires_at": expires_at,
    })
}

/// What of a credential can change.
fn changeable(credential: &Credential) -> Value {
    json!({ "label": credential.label, "not_before": credential.not_before, "expires_at": credential.expires_at })
}

fn is_same_grant(one: &Grant, other: &Grant) -> bool {
    one.audience == other.audience && one.authorization_server == other.authorization_server
}

fn placeholder(kind: &str, name: &str) -> String {
    format!("{{{kind}:{name}}}")
}

fn unknown(who: &str, kind: &'static str, name: &str) -> DeclarationError {
    DeclarationError::Unknown { who: who.to_owned(), kind, name: name.to_owned() }
}
