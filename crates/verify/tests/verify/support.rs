//! What the tests share: an issuer played by a script, a clock that stands still,
//! and tokens made by hand.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use countersign_protocol::Secret;
use countersign_protocol::jose::{SigningKey, base64url};
use countersign_verify::{
    Algorithm, Denied, Fetch, FetchError, FetchFuture, FetchRequest, Fetched, ManualClock, Timestamp, Verified, Verifier,
    VerifierBuilder,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

pub(crate) const ISSUER: &str = "https://as.test/oauth2/default";
pub(crate) const AUDIENCE: &str = "https://api1.test";
pub(crate) const KEYS_URL: &str = "https://as.test/oauth2/default/v1/keys";
pub(crate) const METADATA_URL: &str = "https://as.test/oauth2/default/.well-known/openid-configuration";
/// Where the clock starts, in seconds.
pub(crate) const NOW: i64 = 1_800_000_000;

/// A private key that is made once per test run.
static RSA: LazyLock<Secret<Vec<u8>>> = LazyLock::new(|| SigningKey::generate(Algorithm::RS256).unwrap());

pub(crate) fn rsa_key(algorithm: Algorithm) -> SigningKey {
    SigningKey::from_pkcs8(algorithm, &RSA).unwrap()
}

pub(crate) fn new_key(algorithm: Algorithm) -> SigningKey {
    SigningKey::from_pkcs8(algorithm, &SigningKey::generate(algorithm).unwrap()).unwrap()
}

/// A JWK Set of these keys.
pub(crate) fn key_set(keys: &[(&str, &SigningKey)]) -> String {
    let keys: Vec<Value> = keys.iter().map(|(id, key)| serde_json::to_value(key.public_jwk(id)).unwrap()).collect();
    json!({ "keys": keys }).to_string()
}

/// A signed token with any header and any payload.
pub(crate) fn sign_raw(key: &SigningKey, header: &str, payload: &str) -> String {
    let input = format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(payload.as_bytes()));
    let signature = key.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", base64url::encode(&signature))
}

/// The claims of a good token; `changes` replace and `null` removes.
pub(crate) fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "demo-client", "client_id": "demo-client", "cred": "cred_1",
        "iat": NOW, "exp": NOW + 600, "jti": "jti-1", "scope": "list:users read:users",
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

/// How the issuer answers.
#[derive(Clone, Default)]
pub(crate) enum Mood {
    #[default]
    Up,
    Down,
    Panics,
    NotModified,
}

#[derive(Default)]
struct Script {
    mood: Mood,
    keys: String,
    metadata: String,
    etag: Option<String>,
    cache_control: Option<String>,
    requests: Vec<(String, Option<String>)>,
}

/// An issuer that answers by script and remembers what it was asked.
#[derive(Clone)]
pub(crate) struct FakeIssuer {
    script: Arc<Mutex<Script>>,
    /// Closed while the issuer takes its time.
    door: Arc<Semaphore>,
}

impl FakeIssuer {
    pub(crate) fn new(keys: String) -> Self {
        let metadata = json!({ "issuer": ISSUER, "jwks_uri": KEYS_URL }).to_string();
        let script = Script { keys, metadata, ..Script::default() };
        Self { script: Arc::new(Mutex::new(script)), door: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)) }
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.script.lock().unwrap().mood = mood;
    }

    pub(crate) fn publish(&self, keys: String) {
        self.script.lock().unwrap().keys = keys;
    }

    pub(crate) fn metadata(&self, metadata: String) {
        self.script.lock().unwrap().metadata = metadata;
    }

    pub(crate) fn etag(&self, etag: &str) {
        self.script.lock().unwrap().etag = Some(etag.to_owned());
    }

    pub(crate) fn cache_control(&self, value: &str) {
        self.script.lock().unwrap().cache_control = Some(value.to_owned());
    }

    /// From now on requests are taken and not answered.
    pub(crate) fn hold(&self) {
        self.door.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Answers what is held, and goes on.
    pub(crate) fn release(&self) {
        self.door.add_permits(Semaphore::MAX_PERMITS - self.door.available_permits());
    }

    /// How often a URL was asked for.
    pub(crate) fn asked(&self, url: &str) -> usize {
        self.script.lock().unwrap().requests.iter().filter(|(asked, _)| asked == url).count()
    }

    /// How often the key set was asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.asked(KEYS_URL)
    }

    /// The `If-None-Match` of the last request.
    pub(crate) fn last_etag(&self) -> Option<String> {
        self.script.lock().unwrap().requests.last().unwrap().1.clone()
    }

    fn answer(&self, url: &str) -> Result<Fetched, FetchError> {
        let script = self.script.lock().unwrap();
        let cache_control = script.cache_control.clone();
        let body = if url == METADATA_URL { script.metadata.clone() } else { script.keys.clone() };
        match script.mood {
            Mood::Up => Ok(Fetched::Document { body: body.into_bytes(), etag: script.etag.clone(), cache_control }),
            Mood::Down => Err(FetchError::new("connect ECONNREFUSED 10.0.0.7:8443")),
            Mood::NotModified => Ok(Fetched::NotModified { cache_control }),
            Mood::Panics => {
                drop(script);
                panic!("a fetch that panics");
            }
        }
    }
}

impl Fetch for FakeIssuer {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        let asked = (request.url.to_owned(), request.etag.map(str::to_owned));
        self.script.lock().unwrap().requests.push(asked);
        Box::pin(async move {
            let _open = self.door.acquire().await.unwrap();
            self.answer(request.url)
        })
    }
}

/// Documents at their URLs; elsewhere there is none.
#[derive(Clone, Default)]
pub(crate) struct Documents(Arc<Mutex<DocumentsInner>>);

#[derive(Default)]
struct DocumentsInner {
    at: HashMap<String, String>,
    asked: Vec<String>,
    broken: Vec<String>,
}

impl Documents {
    pub(crate) fn put(&self, url: &str, document: String) -> &Self {
        self.0.lock().unwrap().at.insert(url.to_owned(), document);
        self
    }

    /// From now on the server behind `url` is in error.
    pub(crate) fn break_off(&self, url: &str) {
        self.0.lock().unwrap().broken.push(url.to_owned());
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.clone()
    }
}

impl Fetch for Documents {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        let mut inner = self.0.lock().unwrap();
        inner.asked.push(request.url.to_owned());
        let answer = match inner.at.get(request.url) {
            _ if inner.broken.iter().any(|url| url == request.url) => Err(FetchError::new("the server is in error")),
            Some(body) => Ok(Fetched::Document { body: body.clone().into_bytes(), etag: None, cache_control: None }),
            None => Err(FetchError::absent("404")),
        };
        Box::pin(async move { answer })
    }
}

/// An issuer with the Ed25519 key `k1`, a clock, and a verifier with its keys at hand.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) issuer: FakeIssuer,
    pub(crate) key: SigningKey,
    pub(crate) verifier: Verifier,
}

impl World {
    /// The keys were fetched once, from [`KEYS_URL`].
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(change: impl FnOnce(VerifierBuilder) -> VerifierBuilder) -> Self {
        let world = Self::cold(change);
        settle().await;
        world
    }

    /// The first fetch has not been answered yet.
    pub(crate) fn cold(change: impl FnOnce(VerifierBuilder) -> VerifierBuilder) -> Self {
        let key = new_key(Algorithm::EdDSA);
        let issuer = FakeIssuer::new(key_set(&[("k1", &key)]));
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(NOW)));
        let builder = builder(&issuer, &clock).jwks_uri(KEYS_URL);
        Self { clock, key, verifier: change(builder).build().unwrap(), issuer }
    }

    /// A token with these changes of the claims, signed by `k1`.
    pub(crate) fn token(&self, changes: &Value) -> String {
        token_of(&self.key, "k1", changes)
    }

    /// A good token that lives for `seconds`.
    pub(crate) fn token_for(&self, seconds: i64) -> String {
        self.token(&json!({ "exp": NOW + seconds }))
    }

    pub(crate) async fn verify(&self, token: &str) -> Result<Verified, Denied> {
        self.verifier.verify_token(token).await
    }

    /// The code with which a token is refused, and its status.
    pub(crate) async fn refusal(&self, token: &str) -> (&'static str, u16) {
        refusal(self.verify(token).await)
    }

    pub(crate) fn refusal_now(&self, token: &str) -> (&'static str, u16) {
        refusal(self.verifier.verify_token_now(token))
    }

    pub(crate) fn advance_millis(&self, millis: i64) {
        self.clock.advance_millis(millis);
    }
}

pub(crate) fn builder(issuer: &FakeIssuer, clock: &Arc<ManualClock>) -> VerifierBuilder {
    let clock: Arc<ManualClock> = Arc::clone(clock);
    // A roll of 100 is no jitter at all.
    Verifier::builder(ISSUER, AUDIENCE).clock(clock).fetch(issuer.clone()).jitter(|| 100)
}

pub(crate) fn token_of(key: &SigningKey, key_id: &str, changes: &Value) -> String {
    let header = json!({ "alg": key.algorithm().as_str(), "kid": key_id, "typ": "at+jwt" });
    sign_raw(key, &header.to_string(), &claims(changes).to_string())
}

pub(crate) fn refusal(verdict: Result<Verified, Denied>) -> (&'static str, u16) {
    let denied = verdict.unwrap_err();
    (denied.code().as_str(), denied.status().as_u16())
}

/// Lets every task go on until it waits for something.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

pub(crate) const UNKNOWN_KEY: (&str, u16) = ("CS-1012", 401);
pub(crate) const BAD_SIGNATURE: (&str, u16) = ("CS-1014", 401);
pub(crate) const NOT_JUDGED: (&str, u16) = ("CS-1015", 503);
