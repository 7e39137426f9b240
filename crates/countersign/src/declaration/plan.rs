//! The difference between what there should be and what there is: pure.

use countersign_protocol::ClientAuthMethod;
use serde_json::{Map, Value, json};

use super::credential::Credential;
use super::file::{AuthorizationServer, Client, Declaration, DeclarationError, Grant, Organization, ResourceServer};
use super::objects::{Current, KeysState, Known, KnownClient};
use super::pairing::pair;
use crate::signing_keys::DEFAULT_ROTATION_INTERVAL_SECONDS;

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is made.
    Create,
    /// Some of it is changed.
    Update,
    /// It is removed.
    Delete,
}

impl Action {
    /// As a plan shows it.
    pub const fn sign(self) -> char {
        match self {
            Self::Create => '+',
            Self::Update => '~',
            Self::Delete => '-',
        }
    }
}

/// A member that changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which.
    pub member: String,
    /// What it is.
    pub from: Value,
    /// What it should be.
    pub to: Value,
}

/// One call of the management API.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// To what kind of object.
    pub kind: &'static str,
    /// To which, as people call it.
    pub name: String,
    /// What changes, for people.
    pub changes: Vec<Change>,
    /// The path below `/manage/v1`. `{organization:NAME}` and `{resource_server:..}`
    /// stand for ids that an earlier step makes.
    pub path: String,
    /// The body, with the same placeholders.
    pub body: Value,
    /// What later steps call the id of what this one makes.
    pub makes: Option<String>,
}

/// What is to be done, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// One call each.
    pub steps: Vec<Step>,
    /// Objects that are there and not in the file, which stay.
    pub kept: Vec<String>,
    /// Credentials of the file that were revoked, which is for good.
    pub revoked: Vec<String>,
    /// Clients of the file that cannot authenticate yet: nothing here makes a secret.
    pub without_credential: Vec<Unable>,
}

/// A client that cannot authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unable {
    /// Its id.
    pub client_id: String,
    /// Whether it is to authenticate by a secret, or else by its keys.
    pub uses_secret: bool,
}

/// Compares. Whatever is not in the file stays, unless `prune`.
///
/// # Errors
/// [`DeclarationError::Unknown`] when the file names what is nowhere.
pub fn plan(wanted: &Declaration, current: &Current, prune: bool) -> Result<Plan, DeclarationError> {
    let mut planner = Planner { wanted, current, plan: Plan::default() };
    for server in &wanted.authorization_servers {
        planner.authorization_server(server);
    }
    for api in &wanted.resource_servers {
        planner.resource_server(api)?;
    }
    for organization in &wanted.organizations {
        planner.organization(organization);
    }
    for client in &wanted.clients {
        planner.client(client)?;
    }
    planner.what_is_left_over(prune);
    Ok(planner.plan)
}

struct Planner<'a> {
    wanted: &'a Declaration,
    current: &'a Current,
    plan: Plan,
}

impl Planner<'_> {
    fn authorization_server(&mut self, server: &AuthorizationServer) {
        let members = |server: &AuthorizationServer| {
            json!({
                "name": server.name, "signing_alg": server.signing_alg,
                "rotation_interval_seconds": server.rotation_interval_seconds,
            })
        };
        let found = self.current.authorization_servers.iter().find(|known| known.id == server.id);
        let present = found.map(|known| (known.id.clone(), members(&known.declared)));
        let mut body = members(server);
        if present.is_none() {
            // It begins with the usual interval.
            body = json!({ "id": server.id, "name": server.name, "signing_alg": server.signing_alg });
        }
        let is_new = present.is_none();
        self.compare(Wanted::new("authorization server", &server.id, "/authorization-servers", body), present);
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
            "profile": api.profile, "signing_alg": api.signing_alg, "token_lifetime_seconds": api.token_lifetime_seconds,
            "scopes": api.scopes,
        });
        let found = self.current.resource_server(&api.authorization_server, &api.audience);
        let present = found.map(|known| {
            let api = &known.declared;
            let members = json!({
                "name": api.name, "profile": api.profile, "signing_alg": api.signing_alg,
                "token_lifetime_seconds": api.token_lifetime_seconds, "scopes": api.scopes,
            });
            (known.id.clone(), members)
        });
        let makes = placeholder("resource_server", &name);
        self.compare(Wanted { makes: Some(makes), ..Wanted::new("resource server", &name, "/resource-servers", body) }, present);
        Ok(())
    }

    fn organization(&mut self, organization: &Organization) {
        let found = self.current.organizations.iter().find(|known| known.declared == *organization);
        let present = found.map(|known| (known.id.clone(), json!({ "name": known.declared.name })));
        let makes = placeholder("organization", &organization.name);
        let wanted = Wanted::new("organization", &organization.name, "/organizations", json!({ "name": organization.name }));
        self.compare(Wanted { makes: Some(makes), ..wanted }, present);
    }

    fn client(&mut self, client: &Client) -> Result<(), DeclarationError> {
        let id = &client.client_id;
        let organization_id = match &client.organization {
            Some(name) => Some(self.organization_id(id, name)?),
            None => None,
        };
        let body = json!({
            "client_id": id, "name": client.name, "token_endpoint_auth_method": client.token_endpoint_auth_method,
            "token_endpoint_auth_method_enforced": client.token_endpoint_auth_method_enforced,
            "assertion_audience": client.assertion_audience,
            "organization_id": organization_id, "external_id": client.external_id, "metadata": client.metadata,
            // Nobody would learn the secret.
            "make_secret": false,
        });
        let found = self.current.find_client(id);
        let present = found.map(|known| (id.clone(), self.present_client(&known.declared)));
        self.compare(Wanted::new("client", id, "/clients", body), present);
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
        let (id, steps_before) = (&client.client_id, self.plan.steps.len());
        let known = found.map(|found| found.keys.as_slice()).unwrap_or_default();
        for (credential, place) in client.credentials.iter().zip(pair(&client.credentials, known)) {
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
            let path = format!("/clients/{id}/credentials");
            let present = same.map(|keys| (keys.id.clone(), changeable(&keys.declared)));
            self.compare(Wanted::new("credential", &title, &path, credential_body(credential)), present);
        }
        if self.plan.steps.len() == steps_before && !found.is_some_and(|found| found.has_usable) {
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
        self.compare(Wanted::new("grant", &name, &format!("/clients/{}/grants", client.client_id), body), present);
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
    fn what_is_left_over(&mut self, prune: bool) {
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
            if prune {
                self.plan.steps.push(Wanted::new(kind, &name, &path, Value::Null).step(Action::Delete, Vec::new()));
            } else {
                self.plan.kept.push(format!("{kind} {name}"));
            }
        }
    }

    /// Creates what is not there, and changes what differs. `present` is the id of
    /// what there is, and its members as they are.
    fn compare(&mut self, mut wanted: Wanted, present: Option<(String, Value)>) {
        let Some((id, present)) = present else {
            wanted.body = without_null(&wanted.body);
            let changes = members(&wanted.body).map(|(member, to)| Change::new(member, &Value::Null, to)).collect();
            self.plan.steps.push(wanted.step(Action::Create, changes));
            return;
        };
        let differs = |(member, from): &(&String, &Value)| wanted.body.get(member.as_str()) != Some(from);
        let change =
            |(member, from): (&String, &Value)| Change::new(member, from, wanted.body.get(member.as_str()).unwrap_or(&Value::Null));
        let changes: Vec<Change> = members(&present).filter(differs).map(change).collect();
        if !changes.is_empty() {
            let patch: Map<String, Value> = changes.iter().map(|change| (change.member.clone(), change.to.clone())).collect();
            let wanted = Wanted { path: format!("{}/{id}", wanted.path), body: Value::Object(patch), makes: None, ..wanted };
            self.plan.steps.push(wanted.step(Action::Update, changes));
        }
    }
}

/// An object as it should be.
struct Wanted {
    kind: &'static str,
    name: String,
    path: String,
    body: Value,
    makes: Option<String>,
}

impl Wanted {
    fn new(kind: &'static str, name: &str, path: &str, body: Value) -> Self {
        Self { kind, name: name.to_owned(), path: path.to_owned(), body, makes: None }
    }

    fn step(self, action: Action, changes: Vec<Change>) -> Step {
        let Self { kind, name, path, body, makes } = self;
        Step { action, kind, name, changes, path, body, makes }
    }
}

impl Change {
    fn new(member: &str, from: &Value, to: &Value) -> Self {
        Self { member: member.to_owned(), from: from.clone(), to: to.clone() }
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

fn members(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

fn without_null(object: &Value) -> Value {
    let given = members(object).filter(|(_, value)| !value.is_null());
    Value::Object(given.map(|(member, value)| (member.clone(), value.clone())).collect())
}

fn unknown(who: &str, kind: &'static str, name: &str) -> DeclarationError {
    DeclarationError::Unknown { who: who.to_owned(), kind, name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declaration::ListedClient;
    use countersign_protocol::jose::{Algorithm, SigningKey};

    const FILE: &str = r#"
        format = 1
        [[resource_server]]
        audience = "https://api.test"
        name = "API"
        scopes = [{ scope = "a" }, { scope = "b" }]
        [[organization]]
        name = "Acme"
        [[client]]
        client_id = "acme-1"
        name = "Acme"
        organization = "Acme"
        [[client.grant]]
        audience = "https://api.test"
        scope = "a"
    "#;

    fn declaration(text: &str) -> Declaration {
        Declaration::parse(text).unwrap()
    }

    fn fresh() -> Current {
        let server = json!({ "id": "default", "name": "default", "signing_alg": "RS256", "rotation_interval_seconds": 7_776_000 });
        let management = json!({ "id": "rs_management", "audience": "m", "authorization_server_id": "default" });
        let operator = json!({ "client_id": "operator" });
        let grant = json!({ "id": "gr_0", "resource_server_id": "rs_management", "scope": "clients:read" });
        let operator = ListedClient { client: operator, grants: vec![grant], credentials: Vec::new() };
        Current::read(&[server], &[management], &[], &[operator]).unwrap()
    }

    /// What there is once the plan for [`FILE`] was carried out.
    fn applied() -> Current {
        applied_with(&[json!({ "id": "cred_0", "kind": "secret", "label": "first", "state": "active" })])
    }

    fn applied_with(credentials: &[Value]) -> Current {
        let server = json!({ "id": "default", "name": "default", "signing_alg": "RS256", "rotation_interval_seconds": 7_776_000 });
        let api = json!({
            "id": "rs_1", "authorization_server_id": "default", "audience": "https://api.test", "name": "API", "profile": "rfc9068",
            "signing_alg": null, "token_lifetime_seconds": 600,
            "scopes": [{ "scope": "a", "description": "" }, { "scope": "b", "description": "" }],
        });
        let organization = json!({ "id": "org_1", "name": "Acme" });
        let client = json!({
            "client_id": "acme-1", "name": "Acme", "token_endpoint_auth_method": "client_secret_basic",
            "token_endpoint_auth_method_enforced": false, "assertion_audience": "issuer", "organization_id": "org_1", "external_id": null, "metadata": {},
            "disabled_at": null,
        });
        let grant = json!({ "id": "gr_1", "resource_server_id": "rs_1", "scope": "a", "token_lifetime_seconds": null });
        let client = ListedClient { client, grants: vec![grant], credentials: credentials.to_vec() };
        Current::read(&[server], &[api], &[organization], &[client]).unwrap()
    }

    fn signs(plan: &Plan) -> Vec<String> {
        plan.steps.iter().map(|step| format!("{} {} {}", step.action.sign(), step.kind, step.name)).collect()
    }

    #[test]
    fn everything_that_is_missing_is_created_in_an_order_that_works() {
        let plan = plan(&declaration(FILE), &fresh(), true).unwrap();
        assert_eq!(
            signs(&plan),
            [
                "+ resource server https://api.test of default",
                "+ organization Acme",
                "+ client acme-1",
                "+ grant acme-1 -> https://api.test"
            ]
        );
        assert_eq!(plan.steps[2].body["organization_id"], "{organization:Acme}");
        assert_eq!(plan.steps[1].makes.as_deref(), Some("{organization:Acme}"));
        assert_eq!(plan.steps[3].body["resource_server_id"], "{resource_server:https://api.test of default}");
        assert_eq!(plan.steps[0].makes.as_deref(), plan.steps[3].body["resource_server_id"].as_str());
        assert_eq!(plan.steps[2].body["make_secret"], false);
        assert_eq!(plan.without_credential, [Unable { client_id: "acme-1".to_owned(), uses_secret: true }]);
    }

    #[test]
    fn what_is_as_declared_needs_nothing() {
        assert_eq!(plan(&declaration(FILE), &applied(), true).unwrap(), Plan::default());
    }

    #[test]
    fn an_export_of_what_there_is_plans_nothing() {
        let text = applied().declare().to_text().unwrap();
        assert_eq!(plan(&declaration(&text), &applied(), true).unwrap(), Plan::default());
        assert!(!text.contains("secret ="), "{text}");
    }

    #[test]
    fn only_members_that_differ_are_changed() {
        let changed = FILE.replace("scope = \"a\"\n    ", "scope = \"a b\"\n    ").replace("name = \"API\"", "name = \"Users\"");
        let changed = changed.replace("organization = \"Acme\"", "disabled = true");
        let plan = plan(&declaration(&changed), &applied(), false).unwrap();
        assert_eq!(
            signs(&plan),
            [
                "~ resource server https://api.test of default",
                "~ client acme-1",
                "~ client acme-1",
                "~ grant acme-1 -> https://api.test"
            ]
        );
        assert_eq!((plan.steps[0].path.as_str(), &plan.steps[0].body), ("/resource-servers/rs_1", &json!({ "name": "Users" })));
        assert_eq!(plan.steps[1].body, json!({ "organization_id": null }));
        assert_eq!(plan.steps[2].path, "/clients/acme-1/disable");
        assert_eq!(plan.steps[3].body, json!({ "scope": "a b" }));
    }

    #[test]
    fn what_the_file_does_not_have_stays_unless_pruned() {
        let nothing = Declaration::empty();
        let kept = plan(&nothing, &applied(), false).unwrap();
        assert_eq!((kept.steps.len(), kept.kept.len()), (0, 3));
        let pruned = plan(&nothing, &applied(), true).unwrap();
        assert_eq!(signs(&pruned), ["- client acme-1", "- organization Acme", "- resource server https://api.test of default"]);
        // Who manages is never touched.
        assert_eq!(plan(&nothing, &fresh(), true).unwrap(), Plan::default());
    }

    #[test]
    fn names_of_nothing_and_names_used_twice_are_refused() {
        let nowhere = FILE.replace("[[organization]]\n        name = \"Acme\"", "");
        assert!(matches!(
            plan(&declaration(&nowhere), &fresh(), false),
            Err(DeclarationError::Unknown { kind: "organization", .. })
        ));
        let twice = format!("{FILE}\n[[client]]\nclient_id = \"acme-1\"\nname = \"again\"");
        assert!(matches!(Declaration::parse(&twice), Err(DeclarationError::Twice { kind: "client", .. })));
        let unknown = format!("{FILE}\nclient_secret = \"x\"");
        assert!(matches!(Declaration::parse(&unknown), Err(DeclarationError::Malformed(_))));
        assert_eq!(Declaration::parse("format = 2"), Err(DeclarationError::Format(2)));
    }

    fn jwk(kid: &str) -> Value {
        let key = SigningKey::from_pkcs8(Algorithm::ES256, &SigningKey::generate(Algorithm::ES256).unwrap()).unwrap();
        serde_json::to_value(key.public_jwk(kid)).unwrap()
    }

    /// [`FILE`] with these lines in place of the grant.
    fn with_credentials(lines: &str) -> Declaration {
        declaration(&format!("{}\n{lines}", FILE.split("[[client.grant]]").next().unwrap()))
    }

    fn shown(id: &str, label: &str, source: (&str, Value), state: &str) -> Value {
        let (kind, keys) = source;
        let mut shown = json!({ "id": id, "label": label, "kind": kind, "state": state, "not_before": null, "expires_at": null });
        shown[kind] = keys;
        shown
    }

    #[test]
    fn keys_that_are_declared_are_registered_and_need_nothing_afterwards() {
        let set = json!({ "keys": [jwk("a"), jwk("b")] });
        let file = format!(
            "[[client.credential]]\nlabel = '2026'\nexpires_at = 2027-01-31T12:00:00Z\njwks = '{set}'\n\
             [[client.credential]]\nlabel = 'there'\njwks_uri = 'https://acme.test/jwks'"
        );
        let planned = plan(&with_credentials(&file), &applied_with(&[]), false).unwrap();
        let expected = ["+ credential acme-1 -> 2026 (keys a, b)", "+ credential acme-1 -> there (https://acme.test/jwks)"];
        assert_eq!(signs(&planned), expected);
        assert_eq!(planned.steps[0].path, "/clients/acme-1/credentials");
        assert_eq!(planned.steps[0].body["expires_at"], "2027-01-31T12:00:00.000Z");
        let there = json!({ "label": "there", "kind": "jwks_uri", "jwks_uri": "https://acme.test/jwks" });
        assert_eq!(planned.steps[1].body, there);
        assert_eq!(planned.without_credential, []);

        let mut first = shown("cred_1", "2026", ("jwks", planned.steps[0].body["jwks"].clone()), "active");
        first["expires_at"] = json!("2027-01-31T12:00:00.000Z");
        let there = shown("cred_2", "there", ("jwks_uri", json!("https://acme.test/jwks")), "pending");
        let applied = applied_with(&[first, there]);
        assert_eq!(plan(&with_credentials(&file), &applied, true).unwrap().steps.len(), 1, "only the grant goes");
        let exported = applied.declare();
        assert_eq!(exported.clients[0].credentials.len(), 2);
        let text = exported.to_text().unwrap();
        assert!(text.contains("\n[[client.credential.jwks.keys]]\n"), "{text}");
        assert_eq!(plan(&declaration(&text), &applied, true).unwrap(), Plan::default(), "{text}");
    }

    #[test]
    fn keys_that_are_not_in_the_file_are_revoked_only_when_pruned_and_secrets_never() {
        let keys = |id: &str, state| shown(id, "old", ("jwks_uri", json!("https://acme.test/old")), state);
        let secret = json!({ "id": "cred_0", "kind": "secret", "label": "first", "state": "active" });
        let there = applied_with(&[secret, keys("cred_1", "active"), keys("cred_2", "revoked"), keys("cred_3", "expired")]);
        let kept = plan(&declaration(FILE), &there, false).unwrap();
        assert_eq!((kept.steps.len(), kept.kept), (0, vec!["credential acme-1 -> old (https://acme.test/old)".to_owned()]));
        let pruned = plan(&declaration(FILE), &there, true).unwrap();
        assert_eq!(signs(&pruned), ["- credential acme-1 -> old (https://acme.test/old)"]);
        assert_eq!(pruned.steps[0].path, "/clients/acme-1/credentials/cred_1");
    }

    #[test]
    fn labels_and_times_of_keys_change_and_revoked_keys_stay_revoked() {
        let uri = |name: &str| ("jwks_uri", json!(format!("https://acme.test/{name}")));
        let there = applied_with(&[shown("cred_1", "old", uri("a"), "expired"), shown("cred_2", "gone", uri("b"), "revoked")]);
        let entry = |label: &str, name: &str, more: &str| {
            format!("[[client.credential]]\nlabel = '{label}'\njwks_uri = 'https://acme.test/{name}'\n{more}\n")
        };
        let end = "expires_at = '2027-01-31T12:00:00Z'";
        let file = [entry("new", "a", end), entry("gone", "b", "")].concat();
        let planned = plan(&with_credentials(&file), &there, false).unwrap();
        assert_eq!(planned.steps[0].path, "/clients/acme-1/credentials/cred_1");
        assert_eq!(planned.steps[0].body, json!({ "label": "new", "expires_at": "2027-01-31T12:00:00.000Z" }));
        assert_eq!((planned.steps.len(), planned.revoked), (1, vec!["acme-1 -> gone (https://acme.test/b)".to_owned()]));
        // Who means it says so with another label.
        let again = plan(&with_credentials(&entry("again", "b", "")), &there, false).unwrap();
        assert_eq!(signs(&again), ["+ credential acme-1 -> again (https://acme.test/b)"]);
        let none = plan(&with_credentials(&entry("gone", "b", "")), &there, false).unwrap();
        assert_eq!(none.without_credential.len(), 1);
    }

    #[test]
    fn secret_keys_in_a_file_are_refused_unseen() {
        let mut private = jwk("a");
        private["d"] = json!("c2VjcmV0LXZhbHVl");
        let as_toml =
            toml::to_string(&json!({ "keys": [private] })).unwrap().replace("[[keys]]", "[[client.credential.jwks.keys]]");
        let as_text = format!("jwks = '{}'", json!({ "keys": [private] }));
        for (lines, named) in [
            (as_toml.as_str(), "`d`"),
            (as_text.as_str(), "`d`"),
            ("jwks = 'c2VjcmV0LXZhbHVl'", "`jwks`"),
            ("jwks = { keys = [{ kty = 'oct', k = 'c2VjcmV0LXZhbHVl' }] }", "`k`"),
            ("secret = 'c2VjcmV0LXZhbHVl'", "`secret`"),
            ("", "has either `jwks` or `jwks_uri`"),
        ] {
            let file =
                format!("format = 1\n[[client]]\nclient_id = 'acme-1'\nname = 'x'\n[[client.credential]]\nlabel = 'x'\n{lines}");
            let error = Declaration::parse(&file).unwrap_err().to_string();
            assert!(error.contains(named) && !error.contains("c2VjcmV0"), "{error}");
        }
    }

    #[test]
    fn keys_that_the_instance_does_not_show_are_not_taken_for_none() {
        let listed = |credential: Value| {
            let client = json!({ "client_id": "acme-1" });
            Current::read(&[], &[], &[], &[ListedClient { client, grants: Vec::new(), credentials: vec![credential] }])
        };
        let hidden = json!({ "id": "cred_1", "kind": "jwks", "label": "x", "key_ids": ["a"], "state": "active" });
        assert_eq!(listed(hidden).unwrap_err(), DeclarationError::Shown("cred_1".to_owned()));
    }
}
