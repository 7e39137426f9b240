//! Clients that sign: their keys, their assertions, and servers that publish keys.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use countersign::audit::Actor;
use countersign::clients::{self, KeySource, NewClient, NewKeys};
use countersign::ids::CredentialId;
use countersign_protocol::jose::{Algorithm, SigningKey, base64url};
use countersign_protocol::{ClientAuthMethod, ClientId, Clock as _};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, TestApp};

/// The `client_assertion_type`, form-encoded.
pub(crate) const JWT_BEARER: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

/// A key pair of a client.
pub(crate) struct TestKey {
    pub(crate) key: SigningKey,
    pub(crate) kid: &'static str,
}

impl TestKey {
    pub(crate) fn generate(algorithm: Algorithm, kid: &'static str) -> Self {
        let key = SigningKey::from_pkcs8(algorithm, &SigningKey::generate(algorithm).unwrap()).unwrap();
        Self { key, kid }
    }

    pub(crate) fn jwk(&self) -> Value {
        serde_json::to_value(self.key.public_jwk(self.kid)).unwrap()
    }

    pub(crate) fn jwks(&self) -> String {
        json!({ "keys": [self.jwk()] }).to_string()
    }

    /// An assertion as the client at the root mount makes it, to be changed by the test.
    pub(crate) fn assertion(&self, app: &TestApp, client_id: &str) -> Assertion<'_> {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let now = app.clock.now().as_seconds();
        let jti = format!("jti-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Assertion {
            key: self,
            header: json!({ "alg": self.key.algorithm().as_str(), "kid": self.kid }),
            claims: json!({ "iss": client_id, "sub": client_id, "aud": "https://as.test/", "iat": now, "exp": now + 60, "jti": jti }),
        }
    }
}

/// An assertion in the making.
pub(crate) struct Assertion<'a> {
    key: &'a TestKey,
    header: Value,
    claims: Value,
}

impl Assertion<'_> {
    /// Sets a claim; null removes it.
    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        set(&mut self.claims, name, value.into());
        self
    }

    /// Sets a member of the header; null removes it.
    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        set(&mut self.header, name, value.into());
        self
    }

    /// What the signature is over.
    pub(crate) fn unsigned(&self) -> String {
        let encode = |part: &Value| base64url::encode(part.to_string().as_bytes());
        format!("{}.{}", encode(&self.header), encode(&self.claims))
    }

    pub(crate) fn sign(&self) -> String {
        let input = self.unsigned();
        let signature = base64url::encode(&self.key.key.sign(input.as_bytes()).unwrap());
        format!("{input}.{signature}")
    }
}

fn set(members: &mut Value, name: &str, value: Value) {
    let members = members.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name)
    } else {
        members.insert(name.to_owned(), value)
    };
}

impl TestApp {
    /// A client with these keys and no secret.
    pub(crate) async fn client_with_keys(&self, id: &str, source: KeySource) -> CredentialId {
        let new = NewClient {
            id: Some(ClientId::try_from(id).unwrap()),
            auth_method: ClientAuthMethod::PrivateKeyJwt,
            ..NewClient::named(id)
        };
        let keys = NewKeys { label: "first".to_owned(), source, not_before: None, expires_at: None };
        let by = Actor::command_line();
        let client = clients::create_with_keys(&self.app, &by, new, keys).await.unwrap();
        client.credentials[0].id.clone()
    }

    /// Asks the root mount for a token with an assertion and further parameters.
    pub(crate) async fn ask_with(&self, assertion: &str, parameters: &str) -> Answer {
        let form =
            format!("grant_type=client_credentials&client_assertion_type={JWT_BEARER}&client_assertion={assertion}&{parameters}");
        self.post("/oauth/token").form(form).send().await
    }
}

/// Publishes a key set on the loopback, over plain http.
pub(crate) struct KeyServer {
    pub(crate) url: String,
    state: Arc<Published>,
}

struct Published {
    answer: Mutex<(StatusCode, String)>,
    fetches: AtomicUsize,
}

impl KeyServer {
    pub(crate) async fn start(document: String) -> Self {
        let state = Arc::new(Published { answer: Mutex::new((StatusCode::OK, document)), fetches: AtomicUsize::new(0) });
        let router = Router::new().fallback(publish).with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    /// What it answers from now on.
    pub(crate) fn answer(&self, status: u16, body: impl Into<String>) {
        *self.state.answer.lock().unwrap() = (StatusCode::from_u16(status).unwrap(), body.into());
    }

    /// How often it was asked.
    pub(crate) fn fetches(&self) -> usize {
        self.state.fetches.load(Ordering::SeqCst)
    }
}

async fn publish(State(state): State<Arc<Published>>) -> Response {
    state.fetches.fetch_add(1, Ordering::SeqCst);
    let (status, body) = state.answer.lock().unwrap().clone();
    (status, [("location", "http://127.0.0.1:1/elsewhere")], body).into_response()
}
