//! Callers of the management API.

use countersign::audit::Actor;
use countersign::clients::{self, NewClient, NewClientGrant};
use countersign::ids::OrganizationId;
use countersign::management::{self, Right, resource_server_id};
use countersign::organizations;
use countersign_protocol::{ClientId, ErrorCode};
use http::Method;
use serde_json::{Value, json};

use super::{Answer, Engine, Fixture, Request, Setup, TestApp, TestClient, scope};

/// The audience of the tokens of this API.
pub(crate) const MANAGEMENT: &str = "https://as.test/manage/v1";

/// A client with an access token for the management API.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) client: TestClient,
    pub(crate) token: String,
}

/// The fixture's objects, and an operator with every right.
pub(crate) struct Managed {
    pub(crate) app: TestApp,
    pub(crate) a: TestClient,
    pub(crate) operator: Caller,
}

/// The scope of every right.
pub(crate) fn every_right() -> String {
    Right::ALL.iter().map(|right| right.scope()).collect::<Vec<_>>().join(" ")
}

/// The scope of every right but these.
pub(crate) fn every_right_but(without: &[&str]) -> String {
    let rights = Right::ALL.iter().map(|right| right.scope()).filter(|right| !without.contains(right));
    rights.collect::<Vec<_>>().join(" ")
}

impl Managed {
    pub(crate) async fn start(engine: Engine) -> Self {
        Self::start_with(engine, Setup::default()).await
    }

    pub(crate) async fn start_with(engine: Engine, setup: Setup) -> Self {
        let Fixture { app, a, .. } = Fixture::start_with(engine, setup).await;
        management::ensure_resource_server(&app.app).await.unwrap();
        let operator = app.caller("operator-1", &every_right(), None).await;
        Self { app, a, operator }
    }
}

impl TestApp {
    /// A client with these rights, and a token that has them all.
    pub(crate) async fn caller(&self, id: &str, rights: &str, organization: Option<&OrganizationId>) -> Caller {
        let by = Actor::command_line();
        let client_id = ClientId::try_from(id).unwrap();
        let new = NewClient { id: Some(client_id.clone()), organization_id: organization.cloned(), ..NewClient::named(id) };
        let created = clients::create(&self.app, &by, new).await.unwrap();
        let grant = NewClientGrant {
            client_id: client_id.clone(),
            resource_server_id: resource_server_id(),
            scope: scope(rights),
            token_lifetime_seconds: None,
        };
        clients::grant(&self.app, &by, grant).await.unwrap();
        let client =
            TestClient { id: client_id, secret: created.secret.text.expose().clone(), credential_id: created.secret.credential.id };
        let token = self.management_token(&client).await;
        Caller { client, token }
    }

    /// A token with all that the client was granted on the management API.
    pub(crate) async fn management_token(&self, client: &TestClient) -> String {
        self.ask(client, &format!("audience={MANAGEMENT}")).await.token().text
    }

    pub(crate) async fn organization(&self, name: &str) -> OrganizationId {
        organizations::create(&self.app, &Actor::command_line(), name).await.unwrap().id
    }
}

impl Caller {
    /// A request to a path below `/manage/v1`.
    pub(crate) fn request(&self, app: &TestApp, method: Method, path: &str) -> Request {
        app.request(method, &format!("/manage/v1{path}")).header("authorization", format!("Bearer {}", self.token))
    }

    pub(crate) async fn get(&self, app: &TestApp, path: &str) -> Answer {
        self.request(app, Method::GET, path).send().await
    }

    pub(crate) async fn post(&self, app: &TestApp, path: &str, body: Value) -> Answer {
        self.request(app, Method::POST, path).json(&body).send().await
    }

    pub(crate) async fn patch(&self, app: &TestApp, path: &str, body: Value) -> Answer {
        self.request(app, Method::PATCH, path).json(&body).send().await
    }

    pub(crate) async fn delete(&self, app: &TestApp, path: &str) -> Answer {
        self.request(app, Method::DELETE, path).send().await
    }

    /// Changes an object only if it has this entity tag.
    pub(crate) async fn patch_if(&self, app: &TestApp, path: &str, tag: &str, body: Value) -> Answer {
        self.request(app, Method::PATCH, path).header("if-match", tag).json(&body).send().await
    }

    pub(crate) async fn delete_if(&self, app: &TestApp, path: &str, tag: &str) -> Answer {
        self.request(app, Method::DELETE, path).header("if-match", tag).send().await
    }

    /// Every item of a list, read in pieces of `limit`.
    pub(crate) async fn all(&self, app: &TestApp, path: &str, limit: usize) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let list = self.get(app, &format!("{path}?limit={limit}{cursor}")).await.success(200);
            let piece = list["items"].as_array().unwrap().clone();
            assert!(piece.len() <= limit);
            items.extend(piece);
            match list["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// The identities of every item of a list.
    pub(crate) async fn ids(&self, app: &TestApp, path: &str) -> Vec<String> {
        let id = |item: &Value| item.get("client_id").filter(|_| !path.ends_with("grants")).unwrap_or(&item["id"]).clone();
        self.all(app, path, 200).await.iter().map(|item| id(item).as_str().unwrap().to_owned()).collect()
    }
}

impl Answer {
    /// The object of a success.
    pub(crate) fn success(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        self.json()
    }

    pub(crate) fn etag(&self) -> &str {
        self.header("etag").unwrap()
    }

    /// A problem of the management API; returns what it says is wrong.
    pub(crate) fn refusal(&self, status: u16, code: ErrorCode) -> String {
        let body = self.json();
        assert_eq!((self.status.as_u16(), body["code"].as_str()), (status, Some(code.as_str())), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!((&body["status"], body["title"].as_str()), (&json!(status), Some(code.meaning())));
        body["errors"][0]["detail"].as_str().unwrap_or_default().to_owned()
    }

    /// A refusal of one member of the body.
    pub(crate) fn refused_member(&self, pointer: &str) -> String {
        let detail = self.refusal(400, ErrorCode::FieldInvalid);
        assert_eq!(self.json()["errors"][0]["pointer"], pointer, "{self:?}");
        detail
    }
}
