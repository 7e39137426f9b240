//! A service that takes tokens and API keys, beside a real server: its verdicts are
//! remembered, and end when the server says so.

use std::path::Path;
use std::time::Duration;

use countersign_verify::{ApiKeys, Method, Requirements, Verified, Verifier};
use http::HeaderMap;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::support::http::{Connection, FORM, form};
use crate::support::{BINARY, Dev, command, eventually, run};

#[path = "../../../verify/examples/api_keys.rs"]
#[expect(dead_code, reason = "only `main` is not called")]
mod example;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const KEY_TYPE: &str = "urn:countersign:params:oauth:token-type:api-key";
/// Long before a verdict would end by its age.
const SOON: Duration = Duration::from_secs(20);

struct Service {
    dev: Dev,
    folder: tempfile::TempDir,
    secret: String,
    key_id: String,
    key: String,
}

async fn json(folder: &Path, arguments: &[&str]) -> Value {
    let finished = run(command(BINARY, folder).args(arguments).arg("--json")).await;
    serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {finished:?}"))
}

impl Service {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dev = Dev::start(folder.path(), &["--port", "0"]).await;
        let management = format!("{}/manage/v1", dev.env["BASE_URL"]);
        let made = json(folder.path(), &["client", "create", "Users API", "--id", "users-api"]).await;
        let secret = made["client_secret"].as_str().unwrap().to_owned();
        json(folder.path(), &["grant", "create", "users-api", &management, "--scope", "keys:verify"]).await;
        let (client, audience) = (&dev.env["CLIENT_ID"], &dev.env["AUDIENCE"]);
        let create = ["key", "create", "k", "--client", client, "--resource-server", audience, "--permission", "list:*"];
        let made = json(folder.path(), &create).await;
        let (key_id, key) = (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned());
        Self { dev, folder, secret, key_id, key }
    }

    fn verifier(&self, keys: ApiKeys) -> Verifier {
        // Nobody else asks for a verdict anew within a minute: what ends one is what was told.
        let keys = keys.stale_seconds(60).header(http::HeaderName::from_static("x-api-key"));
        Verifier::builder(&self.dev.env["ISSUER"], &self.dev.env["AUDIENCE"]).api_keys(keys).build().unwrap()
    }

    fn by_client(&self) -> Verifier {
        self.verifier(ApiKeys::new(&self.dev.env["BASE_URL"], "users-api", &self.secret))
    }

    async fn change(&self, verb: &str) {
        json(self.folder.path(), &["key", verb, &self.key_id]).await;
    }

    async fn verify(&self, verifier: &Verifier) -> Result<Verified, u16> {
        verifier.verify_token(&self.key).await.map_err(|denied| denied.status().as_u16())
    }

    /// Waits until a key gets this status.
    async fn gets(&self, verifier: &Verifier, status: u16) {
        let asking = eventually("the verdict changes", async || {
            let verdict = self.verify(verifier).await.map_or_else(|status| status, |_| 200);
            (verdict == status).then_some(())
        });
        tokio::time::timeout(SOON, asking).await.unwrap();
    }

    async fn token(&self) -> String {
        let mut connection = Connection::open(self.dev.port).await.unwrap();
        let body = form(&[("grant_type", GRANT), ("subject_token_type", KEY_TYPE), ("subject_token", &self.key)]);
        connection.send("POST", "/oauth2/default/v1/token", &[FORM], &body).await.unwrap().token()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_sees_one_kind_of_caller_and_a_disabled_key_is_refused_while_its_verdict_is_remembered() {
    let mut service = Service::start().await;
    let verifier = service.by_client();
    let app = example::app(verifier.clone());
    let ask = async |name: &str, value: &str| {
        let request = http::Request::get("/users").header(name, value).body(axum::body::Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        (status, axum::body::to_bytes(response.into_body(), 10_000).await.unwrap())
    };
    let of_key = ask("x-api-key", &service.key).await;
    let token = service.token().await;
    let of_token = ask("authorization", &format!("Bearer {token}")).await;
    assert_eq!((of_key.0, &of_key.1), (200, &of_token.1), "{of_key:?} {of_token:?}");
    let (key, jwt) = (service.verify(&verifier).await.unwrap(), verifier.verify_token(&token).await.unwrap());
    assert_eq!((key.method(), jwt.method()), (Method::ApiKey, Method::Jwt));
    assert_eq!((key.client_id(), key.subject(), key.credential_id()), (jwt.client_id(), jwt.subject(), jwt.credential_id()));
    let lacking = verifier.require(&key, &Requirements::all(["write:users"])).unwrap_err();
    assert_eq!(lacking.status().as_u16(), 403);

    for _ in 0..2 {
        service.change("disable").await;
        service.gets(&verifier, 401).await;
        service.change("enable").await;
        service.gets(&verifier, 200).await;
    }
    json(service.folder.path(), &["client", "disable", &service.dev.env["CLIENT_ID"]]).await;
    service.gets(&verifier, 401).await;
    json(service.folder.path(), &["client", "enable", &service.dev.env["CLIENT_ID"]]).await;
    service.gets(&verifier, 200).await;

    // Without the server a remembered key goes on for its time, and any other is not judged.
    service.dev.process.stop().await;
    assert!(service.verify(&verifier).await.is_ok());
    let unknown = countersign_protocol::CredentialText::generate("key", [7; 9], [9; 32]);
    assert_eq!(verifier.verify_token(unknown.expose()).await.unwrap_err().status().as_u16(), 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_may_be_let_in_by_an_api_key_of_the_management_api() {
    let mut service = Service::start().await;
    let management = format!("{}/manage/v1", service.dev.env["BASE_URL"]);
    let create = ["key", "create", "svc", "--client", "users-api", "--resource-server", &management, "--permission", "keys:verify"];
    let own = json(service.folder.path(), &create).await;
    let verifier = service.verifier(ApiKeys::with_key(&service.dev.env["BASE_URL"], own["key"].as_str().unwrap()));
    let found = service.verify(&verifier).await.unwrap();
    assert_eq!(found.client_id(), Some(service.dev.env["CLIENT_ID"].as_str()));
    assert!(verifier.verify(&HeaderMap::new()).await.is_err());
    // Its end is the end of what it may ask.
    json(service.folder.path(), &["key", "disable", own["id"].as_str().unwrap()]).await;
    let fresh = service.verifier(ApiKeys::with_key(&service.dev.env["BASE_URL"], own["key"].as_str().unwrap()));
    assert_eq!(service.verify(&fresh).await.unwrap_err(), 503);
    service.dev.process.stop().await;
}
