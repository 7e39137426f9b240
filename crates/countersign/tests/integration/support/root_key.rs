//! Root keys: API keys of the management API, as Unkey's libraries present them.

use countersign::api_keys::{self, ApiKey, NewApiKey, Permission};
use countersign::audit::Actor;
use countersign::clients::{self, NewClient};
use countersign::ids::OrganizationId;
use countersign::management::resource_server_id;
use countersign_protocol::ClientId;
use http::Method;
use serde_json::{Value, json};

use super::{Answer, TestApp};

/// A root key, and its text.
pub(crate) struct RootKey {
    pub(crate) key: ApiKey,
    pub(crate) text: String,
}

impl TestApp {
    /// A root key with these rights, of a client of its own that was granted nothing.
    pub(crate) async fn root_key(&self, owner: &str, rights: &str, organization: Option<&OrganizationId>) -> RootKey {
        let by = Actor::command_line();
        let id = ClientId::try_from(owner).unwrap();
        let new = NewClient { id: Some(id.clone()), organization_id: organization.cloned(), ..NewClient::named(owner) };
        clients::create_without_credential(&self.app, &by, new).await.unwrap();
        let permissions = rights.split_whitespace().map(|right| Permission::parse(right).unwrap()).collect();
        let new = NewApiKey { permissions, ..NewApiKey::named("root", id, resource_server_id()) };
        let made = api_keys::create(&self.app, &by, new).await.unwrap();
        RootKey { text: made.text.expose().clone(), key: made.key }
    }
}

impl RootKey {
    /// An operation of Unkey's.
    pub(crate) async fn ask(&self, app: &TestApp, operation: &str, body: Value) -> Answer {
        self.request(app, Method::POST, &format!("/v2/{operation}")).json(&body).send().await
    }

    pub(crate) fn request(&self, app: &TestApp, method: Method, path: &str) -> super::Request {
        app.request(method, path).header("authorization", format!("Bearer {}", self.text))
    }

    /// What an operation that succeeds answers.
    pub(crate) async fn done(&self, app: &TestApp, operation: &str, body: Value) -> Value {
        let answer = self.ask(app, operation, body).await;
        assert_eq!(answer.status, 200, "{operation}: {answer:?}");
        answer.unkey()["data"].clone()
    }
}

impl Answer {
    /// A body in Unkey's envelope: the request's id, and nothing that is null.
    pub(crate) fn unkey(&self) -> Value {
        let body = self.json();
        assert_eq!(body["meta"], json!({ "requestId": self.header("x-request-id") }), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert!(!has_null(&body), "{body}");
        body
    }

    /// A refusal in Unkey's shape; returns the error.
    pub(crate) fn unkey_refusal(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        let error = self.unkey()["error"].clone();
        assert_eq!(error["status"], status);
        assert_eq!(error["title"].as_str(), self.status.canonical_reason());
        let kind = error["type"].as_str().unwrap();
        assert!(kind.ends_with(&format!("/errors/{}", self.header("countersign-error").unwrap())), "{kind}");
        assert!(!error["detail"].as_str().unwrap().is_empty());
        assert_eq!(error.get("errors").is_some(), status == 400, "{error}");
        error
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
