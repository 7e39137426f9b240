//! Attacks: a caller that wants more than it was given.

use countersign::audit::Actor;
use countersign::change::ChangeError;
use countersign::clients;
use countersign::ids::OrganizationId;
use countersign::management::resource_server_id;
use countersign_protocol::ErrorCode;
use http::Method;
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{API1, Answer, Caller, Managed, TestApp, every_right, scope};

/// A partner's own operator: every right, and `list:users` at api1.
struct Partner {
    app: TestApp,
    operator: Caller,
    partner: Caller,
    organization: OrganizationId,
    api1: String,
}

impl Partner {
    async fn start() -> Self {
        let Managed { app, operator, .. } = Managed::start(ENGINE).await;
        let organization = app.organization("Partner").await;
        let partner = app.caller("partner-1", &every_right(), Some(&organization)).await;
        let servers = operator.all(&app, "/resource-servers", 200).await;
        let api1 = servers.iter().find(|item| item["audience"] == API1).unwrap()["id"].as_str().unwrap().to_owned();
        let grant = json!({ "resource_server_id": api1, "scope": "list:users", "token_lifetime_seconds": 120 });
        operator.post(&app, "/clients/partner-1/grants", grant).await.success(201);
        Self { app, operator, partner, organization, api1 }
    }

    /// A client that the partner made.
    async fn client(&self) -> String {
        let made = self.partner.post(&self.app, "/clients", json!({ "name": "Made" })).await.success(201);
        assert_eq!(made["organization_id"], self.organization.as_str());
        made["client_id"].as_str().unwrap().to_owned()
    }

    async fn grant(&self, client: &str, grant: Value) -> Answer {
        self.partner.post(&self.app, &format!("/clients/{client}/grants"), grant).await
    }

    fn at_api1(&self, scope: &str, lifetime: Option<i64>) -> Value {
        json!({ "resource_server_id": self.api1, "scope": scope, "token_lifetime_seconds": lifetime })
    }
}

fn management(scope: &str) -> Value {
    json!({ "resource_server_id": resource_server_id().as_str(), "scope": scope })
}

#[tokio::test]
async fn a_partner_cannot_create_a_client_outside_of_its_organization_or_learn_of_foreign_ids() {
    let world = Partner::start().await;
    let other = world.app.organization("Other").await;
    let create = async |body: Value| world.partner.post(&world.app, "/clients", body).await;
    create(json!({ "name": "x", "organization_id": other.as_str() })).await.refusal(404, ErrorCode::NotFound);
    let unknown = create(json!({ "name": "x", "organization_id": "org_unknown" })).await;
    unknown.refusal(404, ErrorCode::NotFound);
    let null = create(json!({ "name": "x", "organization_id": null })).await.success(201);
    assert_eq!(null["organization_id"], world.organization.as_str());
    // Taken or free: one answer.
    for id in ["client-a", "free-client"] {
        create(json!({ "name": "x", "client_id": id })).await.refused_member("/client_id");
    }
    let move_it = json!({ "organization_id": other.as_str() });
    let path = format!("/clients/{}", world.client().await);
    world.partner.patch(&world.app, &path, move_it).await.refusal(404, ErrorCode::NotFound);
    world.partner.patch(&world.app, &path, json!({ "organization_id": null })).await.refused_member("/organization_id");
}

#[tokio::test]
async fn a_partner_cannot_leave_its_organization_or_end_itself() {
    let world = Partner::start().await;
    let (app, partner) = (&world.app, &world.partner);
    partner.patch(app, "/clients/partner-1", json!({ "organization_id": null })).await.refused_member("/organization_id");
    partner.post(app, "/clients/partner-1/disable", Value::Null).await.refusal(403, ErrorCode::LimitedToOrganization);
    partner.delete(app, "/clients/partner-1").await.refusal(403, ErrorCode::LimitedToOrganization);
    partner.get(app, "/clients/partner-1").await.success(200);
}

#[tokio::test]
async fn a_partner_grants_no_scope_and_no_lifetime_beyond_its_own() {
    let world = Partner::start().await;
    let client = world.client().await;
    world.grant(&client, world.at_api1("list:users read:x", Some(120))).await.refusal(403, ErrorCode::ExceedsCaller);
    // Without a lifetime it would be the resource server's.
    for lifetime in [None, Some(121), Some(i64::MAX)] {
        world.grant(&client, world.at_api1("list:users", lifetime)).await.refusal(403, ErrorCode::ExceedsCaller);
    }
    let made = world.grant(&client, world.at_api1("list:users", Some(120))).await.success(201);
    let path = format!("/clients/{client}/grants/{}", made["id"].as_str().unwrap());
    for patch in [json!({ "scope": "read:x" }), json!({ "token_lifetime_seconds": null }), json!({ "token_lifetime_seconds": 121 })]
    {
        world.partner.patch(&world.app, &path, patch).await.refusal(403, ErrorCode::ExceedsCaller);
    }
    world.partner.patch(&world.app, &path, json!({ "scope": "", "token_lifetime_seconds": 60 })).await.success(200);
    // Nor to itself.
    let own = world.partner.all(&world.app, "/clients/partner-1/grants", 200).await;
    let own = own.iter().find(|grant| grant["resource_server_id"] == world.api1.as_str()).unwrap();
    let own = format!("/clients/partner-1/grants/{}", own["id"].as_str().unwrap());
    world.partner.patch(&world.app, &own, json!({ "scope": "list:users read:x" })).await.refusal(403, ErrorCode::ExceedsCaller);
    world.partner.patch(&world.app, &own, json!({ "token_lifetime_seconds": null })).await.refusal(403, ErrorCode::ExceedsCaller);
}

#[tokio::test]
async fn a_resource_server_that_a_partner_has_no_grant_for_does_not_exist_for_it() {
    let world = Partner::start().await;
    let servers = world.operator.all(&world.app, "/resource-servers", 200).await;
    let foreign = servers.iter().find(|item| item["audience"] == "https://api2.test").unwrap()["id"].as_str().unwrap();
    let client = world.client().await;
    let known = world.grant(&client, json!({ "resource_server_id": foreign, "scope": "" })).await;
    let unknown = world.grant(&client, json!({ "resource_server_id": "rs_unknown", "scope": "" })).await;
    known.refusal(404, ErrorCode::NotFound);
    assert_eq!(known.text().replace(foreign, "rs_unknown"), unknown.text());
    let mut seen = world.partner.ids(&world.app, "/resource-servers").await;
    seen.sort_unstable();
    let mut expected = vec![world.api1.clone(), resource_server_id().to_string()];
    expected.sort_unstable();
    assert_eq!(seen, expected);
    world.partner.get(&world.app, &format!("/resource-servers/{}", world.api1)).await.success(200);
    world.partner.get(&world.app, &format!("/resource-servers/{foreign}")).await.refusal(404, ErrorCode::NotFound);
    assert_eq!(world.partner.ids(&world.app, "/authorization-servers").await, ["default"]);
}

#[tokio::test]
async fn what_a_partner_makes_is_limited_to_its_organization_too() {
    let world = Partner::start().await;
    let made = world.partner.post(&world.app, "/clients", json!({ "name": "Made" })).await.success(201);
    let id = made["client_id"].as_str().unwrap();
    world.grant(id, management(&every_right())).await.success(201);
    let basic = world.app.post("/oauth/token").basic(id, made["client_secret"].as_str().unwrap());
    let token = basic.form("grant_type=client_credentials").send().await.token().text;
    let made = Caller { token, ..world.partner.clone() };
    assert_eq!(made.ids(&world.app, "/clients").await.len(), 2);
    made.get(&world.app, "/clients/client-a").await.refusal(404, ErrorCode::NotFound);
    made.post(&world.app, "/organizations", json!({ "name": "x" })).await.refusal(403, ErrorCode::LimitedToOrganization);
}

#[tokio::test]
async fn a_partner_cannot_take_over_a_client_of_its_organization_that_may_do_more() {
    let world = Partner::start().await;
    let client = world.client().await;
    let more = world.at_api1("list:users read:x", Some(120));
    let more = world.operator.post(&world.app, &format!("/clients/{client}/grants"), more).await.success(201);
    let path = format!("/clients/{client}");
    let grant = format!("{path}/grants/{}", more["id"].as_str().unwrap());
    let (app, partner) = (&world.app, &world.partner);
    for answer in [
        partner.patch(app, &path, json!({ "name": "x" })).await,
        partner.post(app, &format!("{path}/enable"), Value::Null).await,
        partner.post(app, &format!("{path}/disable"), Value::Null).await,
        partner.delete(app, &path).await,
        partner.delete(app, &grant).await,
        partner.patch(app, &grant, json!({ "scope": "list:users" })).await,
    ] {
        answer.refusal(403, ErrorCode::ExceedsCaller);
    }
    partner.get(app, &path).await.success(200);
    assert_takes_no_secret(app, &actor(partner), &client).await;
}

#[tokio::test]
async fn a_partner_does_not_look_at_tokens_of_others_by_way_of_a_client_that_may() {
    let world = Partner::start().await;
    let (app, partner) = (&world.app, &world.partner);
    let client = world.client().await;
    let leave = async |id: &str| {
        let path = format!("/resource-servers/{}/introspection-clients/{id}", world.api1);
        world.operator.post(app, &path, Value::Null).await.success(200);
    };
    leave(&client).await;
    let path = format!("/clients/{client}");
    for answer in [
        partner.post(app, &format!("{path}/credentials"), json!({ "kind": "secret", "label": "x" })).await,
        partner.patch(app, &path, json!({ "name": "x" })).await,
        partner.delete(app, &path).await,
    ] {
        answer.refusal(403, ErrorCode::ExceedsCaller);
    }
    assert_takes_no_secret(app, &actor(partner), &client).await;
    // Whoever may look itself gains nothing.
    leave("partner-1").await;
    partner.patch(app, &path, json!({ "name": "x" })).await.success(200);
}

#[tokio::test]
async fn operators_are_made_only_by_who_holds_operators_write() {
    let Managed { app, .. } = Managed::start(ENGINE).await;
    let caller = app.caller("granting-1", "clients:write grants:read grants:write", None).await;
    let answer = caller.post(&app, "/clients/client-a/grants", management("grants:write")).await;
    answer.refusal(403, ErrorCode::InsufficientScope);
    assert!(answer.header("www-authenticate").unwrap().contains("scope=\"operators:write\""), "{answer:?}");
    // Nor are they changed or unmade.
    app.caller("small-operator", "grants:write", None).await;
    let grant = &caller.ids(&app, "/clients/small-operator/grants").await[0];
    let path = format!("/clients/small-operator/grants/{grant}");
    caller.patch(&app, &path, json!({ "scope": "" })).await.refusal(403, ErrorCode::InsufficientScope);
    caller.delete(&app, &path).await.refusal(403, ErrorCode::InsufficientScope);
}

#[tokio::test]
async fn nobody_grants_a_right_that_they_lack() {
    let Managed { app, .. } = Managed::start(ENGINE).await;
    let caller = app.caller("granting-1", "grants:read grants:write operators:write", None).await;
    let refused = caller.post(&app, "/clients/client-a/grants", management("grants:write clients:write")).await;
    assert!(refused.refusal(403, ErrorCode::ExceedsCaller).contains("clients:write"));
    let made = caller.post(&app, "/clients/client-a/grants", management("grants:write")).await.success(201);
    let path = format!("/clients/client-a/grants/{}", made["id"].as_str().unwrap());
    caller.patch(&app, &path, json!({ "scope": "grants:write audit:read" })).await.refusal(403, ErrorCode::ExceedsCaller);
    // Nor to itself.
    let own = &caller.ids(&app, "/clients/granting-1/grants").await[0];
    let own = format!("/clients/granting-1/grants/{own}");
    caller.patch(&app, &own, json!({ "scope": every_right() })).await.refusal(403, ErrorCode::ExceedsCaller);
}

#[tokio::test]
async fn a_narrow_token_of_an_operator_grants_no_more_than_it_says() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let narrow = async |scope: &str| {
        let asked = format!("audience=https://as.test/manage/v1&scope={}", scope.replace(' ', "+"));
        Caller { token: app.ask(&operator.client, &asked).await.token().text, ..operator.clone() }
    };
    let granting = narrow("grants:write operators:write").await;
    granting.post(&app, "/clients/client-a/grants", management("clients:write")).await.refusal(403, ErrorCode::ExceedsCaller);
    // Its own client may do more than the token.
    let changing = narrow("clients:write").await;
    changing.patch(&app, "/clients/operator-1", json!({ "name": "x" })).await.refusal(403, ErrorCode::ExceedsCaller);
    operator.patch(&app, "/clients/operator-1", json!({ "name": "x" })).await.success(200);
}

#[tokio::test]
async fn a_lesser_caller_cannot_take_over_an_operator() {
    let Managed { app, .. } = Managed::start(ENGINE).await;
    let rights = "clients:read clients:write credentials:read credentials:write grants:read grants:write";
    let lesser = app.caller("lesser-1", rights, None).await;
    let organization = app.organization("Partner").await;
    for answer in [
        lesser.patch(&app, "/clients/operator-1", json!({ "organization_id": organization.as_str() })).await,
        lesser.patch(&app, "/clients/operator-1", json!({ "token_endpoint_auth_method_enforced": false })).await,
        lesser.post(&app, "/clients/operator-1/enable", Value::Null).await,
        lesser.post(&app, "/clients/operator-1/disable", Value::Null).await,
        lesser.delete(&app, "/clients/operator-1").await,
    ] {
        answer.refusal(403, ErrorCode::ExceedsCaller);
    }
    assert_takes_no_secret(&app, &actor(&lesser), "operator-1").await;
    // What it may do itself, others may do.
    app.caller("equal-1", "clients:write", None).await;
    lesser.patch(&app, "/clients/equal-1", json!({ "name": "x" })).await.success(200);
    lesser.patch(&app, "/clients/client-a", json!({ "name": "x" })).await.success(200);
}

#[tokio::test]
async fn taking_a_client_with_rights_out_of_its_organization_makes_an_operator() {
    let Managed { app, .. } = Managed::start(ENGINE).await;
    let organization = app.organization("Partner").await;
    app.caller("partner-1", "clients:write", Some(&organization)).await;
    let out = json!({ "organization_id": null });
    let mover = app.caller("mover-1", "clients:write", None).await;
    mover.patch(&app, "/clients/partner-1", out.clone()).await.refusal(403, ErrorCode::ExceedsCaller);
    let maker = app.caller("maker-1", "clients:write operators:write", None).await;
    maker.patch(&app, "/clients/partner-1", out).await.success(200);
}

#[tokio::test]
async fn rights_that_were_taken_away_on_another_node_are_gone_for_changes_at_once() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let caller = app.caller("operator-2", &every_right(), None).await;
    let behind = app.second_node().await;
    // This node knows the caller, and hears of nothing.
    caller.get(&behind, "/clients").await.success(200);
    let grant = &operator.ids(&app, "/clients/operator-2/grants").await[0];
    let path = format!("/clients/operator-2/grants/{grant}");
    operator.patch(&app, &path, json!({ "scope": "clients:read clients:write grants:write operators:write" })).await.success(200);
    caller.post(&behind, "/clients/client-a/grants", management("audit:read")).await.refusal(403, ErrorCode::ExceedsCaller);
    caller.patch(&behind, "/clients/operator-1", json!({ "name": "x" })).await.refusal(403, ErrorCode::ExceedsCaller);
    // A client that became an operator meanwhile is one here too.
    operator.post(&app, "/clients/client-a/grants", management("audit:read")).await.success(201);
    caller.patch(&behind, "/clients/client-a", json!({ "name": "x" })).await.refusal(403, ErrorCode::ExceedsCaller);
    operator.post(&app, "/clients/operator-2/disable", Value::Null).await.success(200);
    caller.post(&behind, "/clients", json!({ "name": "x" })).await.refusal(403, ErrorCode::ExceedsCaller);
    caller.request(&behind, Method::POST, "/clients/client-b/disable").send().await.refusal(403, ErrorCode::ExceedsCaller);
}

fn actor(caller: &Caller) -> Actor {
    Actor::client(caller.client.id.clone(), "request-1".to_owned(), None).with_scope(scope(&every_right()))
}

async fn assert_takes_no_secret(app: &TestApp, by: &Actor, of: &str) {
    let id = of.try_into().unwrap();
    let made = clients::create_secret(&app.app, by, &id, "mine").await;
    assert!(matches!(made, Err(ChangeError::ExceedsCaller(_))), "{made:?}");
    let credential = clients::find(&app.app, &id).await.unwrap().credentials[0].id.clone();
    let revoked = clients::revoke_credential(&app.app, by, &id, &credential).await;
    assert!(matches!(revoked, Err(ChangeError::ExceedsCaller(_))), "{revoked:?}");
}
