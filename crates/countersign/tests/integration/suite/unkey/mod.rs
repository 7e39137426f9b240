//! `/v2`: Unkey's API, and root keys.

use countersign::ids::OrganizationId;
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{Managed, RootKey, TestApp};

mod authority;
mod counting;
mod identities;
mod keys;
mod root_keys;
mod shapes;

/// What a root key is given that does everything here.
const RIGHTS: &str = "resource_servers:read resource_servers:write clients:read clients:write keys:read keys:write keys:verify \
                      roles:read roles:write rate_limits:take";

/// A root key and an API.
struct Unkey {
    app: TestApp,
    root: RootKey,
    api: String,
}

impl Unkey {
    async fn start() -> Self {
        let Managed { app, .. } = Managed::start(ENGINE).await;
        let root = app.root_key("unkey-root", RIGHTS, None).await;
        let made = root.done(&app, "apis.createApi", json!({ "name": "orders" })).await;
        Self { app, root, api: made["apiId"].as_str().unwrap().to_owned() }
    }

    async fn done(&self, operation: &str, body: Value) -> Value {
        self.root.done(&self.app, operation, body).await
    }

    /// A key of the API, with further members: its id and its text.
    async fn key(&self, more: Value) -> (String, String) {
        let mut body = json!({ "apiId": self.api });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.done("keys.createKey", body).await;
        (made["keyId"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
    }

    async fn verify(&self, key: &str) -> Value {
        self.done("keys.verifyKey", json!({ "key": key })).await
    }

    /// A root key with these rights.
    async fn other(&self, owner: &str, rights: &str, organization: Option<&OrganizationId>) -> RootKey {
        self.app.root_key(owner, rights, organization).await
    }
}

/// The rights of [`RIGHTS`] but one.
fn rights_but(without: &str) -> String {
    RIGHTS.split_whitespace().filter(|right| *right != without).collect::<Vec<_>>().join(" ")
}
