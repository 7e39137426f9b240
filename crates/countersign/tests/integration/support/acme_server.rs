//! A certificate authority (RFC 8555) that checks what it is sent, and really asks
//! for the answers to its challenges.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, head, post};
use countersign::http::{Endpoint, Listeners, ServeOptions, serve_all};
use countersign::tls::{Certificate, CurrentCertificate, TlsTerms, server_config};
use countersign_protocol::jose::base64url;
use countersign_protocol::{Clock as _, ManualClock, Secret};
use http::StatusCode;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData,
    SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use x509_cert::der::{Decode as _, Encode as _};

/// How long its certificates are valid.
pub(crate) const LIFE_DAYS: i64 = 90;
const DAY: i64 = 24 * 60 * 60;

/// The authority; it ends when dropped.
pub(crate) struct AcmeServer {
    pub(crate) directory_url: String,
    pub(crate) root: CertificateDer<'static>,
    pub(crate) state: Arc<AcmeState>,
    _stop: watch::Sender<bool>,
}

/// What it remembers, and what a test turns.
pub(crate) struct AcmeState {
    authority: CertifiedIssuer<'static, KeyPair>,
    clock: Arc<ManualClock>,
    base: String,
    nonces: Mutex<HashSet<String>>,
    next: AtomicUsize,
    accounts: Mutex<Vec<Account>>,
    orders: Mutex<Vec<Order>>,
    /// Where `http://{domain}/` leads.
    pub(crate) port_80: AtomicU16,
    /// Issues certificates for another name.
    pub(crate) wrong_name: AtomicBool,
}

#[derive(Clone)]
struct Account {
    jwk: Value,
    contact: Value,
}

struct Order {
    domains: Vec<String>,
    /// Of each domain: pending, valid, invalid.
    proofs: Vec<&'static str>,
    chain: Option<String>,
}

/// A request whose signature, nonce and URL are right.
struct Signed {
    payload: Value,
    account: Account,
    kid: Option<usize>,
}

impl AcmeServer {
    pub(crate) async fn start(clock: Arc<ManualClock>) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let listeners = Listeners::loopback(0).await.unwrap();
        let base = format!("https://localhost:{}", listeners.port().unwrap());
        let (terms, root) = (terms(&authority, &clock), authority.der().clone());
        let state = Arc::new(AcmeState {
            authority,
            clock,
            base: base.clone(),
            nonces: Mutex::default(),
            next: AtomicUsize::new(0),
            accounts: Mutex::default(),
            orders: Mutex::default(),
            port_80: AtomicU16::new(0),
            wrong_name: AtomicBool::new(false),
        });
        let (stop, stopped) = watch::channel(false);
        let endpoint = Endpoint { listeners, site: router(&state).into(), bases: None, tls: Some(terms) };
        let seconds = std::time::Duration::from_secs;
        let options = ServeOptions { header_timeout: seconds(60), drain_timeout: seconds(1), drain_idle: seconds(0) };
        tokio::spawn(serve_all(vec![endpoint], options, stopped));
        Self { directory_url: format!("{base}/directory"), root, state, _stop: stop }
    }

    pub(crate) fn accounts(&self) -> usize {
        self.state.accounts.lock().unwrap().len()
    }

    pub(crate) fn contact(&self) -> Value {
        self.state.accounts.lock().unwrap()[0].contact.clone()
    }

    pub(crate) fn orders(&self) -> usize {
        self.state.orders.lock().unwrap().len()
    }
}

/// Its own certificate is judged by the machine's clock.
fn terms(authority: &CertifiedIssuer<'static, KeyPair>, clock: &ManualClock) -> TlsTerms {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let chain = params.signed_by(&key, authority).unwrap().pem();
    let current = Arc::new(CurrentCertificate::default());
    current.replace(Certificate::from_pem(&chain, &Secret::new(key.serialize_pem()), clock.now()).unwrap());
    TlsTerms {
        acceptor: server_config(current).unwrap().into(),
        handshakes: Arc::new(Semaphore::new(10)),
        handshake_timeout: std::time::Duration::from_secs(60),
    }
}

fn router(state: &Arc<AcmeState>) -> Router {
    Router::new()
        .route("/directory", get(directory))
        .route("/nonce", head(nonce))
        .route("/account", post(new_account))
        .route("/order", post(new_order))
        .route("/order/{order}", post(order))
        .route("/authorization/{order}/{domain}", post(authorization))
        .route("/challenge/{order}/{domain}", post(challenge))
        .route("/finalize/{order}", post(finalize))
        .route("/certificate/{order}", post(certificate))
        .with_state(Arc::clone(state))
}

async fn directory(State(state): State<Arc<AcmeState>>) -> String {
    let url = |path: &str| format!("{}/{path}", state.base);
    json!({ "newNonce": url("nonce"), "newAccount": url("account"), "newOrder": url("order") }).to_string()
}

async fn nonce(State(state): State<Arc<AcmeState>>) -> Response {
    state.respond(StatusCode::OK, &Value::Null, None)
}

async fn new_account(State(state): State<Arc<AcmeState>>, body: Bytes) -> Response {
    let signed = match state.verify("account", &body) {
        Ok(signed) => signed,
        Err(problem) => return *problem,
    };
    if signed.kid.is_some() || signed.payload["termsOfServiceAgreed"] != true {
        return state.problem("userActionRequired", "agree to the terms");
    }
    let mut accounts = state.accounts.lock().unwrap();
    accounts.push(Account { contact: signed.payload["contact"].clone(), ..signed.account });
    let location = format!("{}/account/{}", state.base, accounts.len() - 1);
    state.respond(StatusCode::CREATED, &json!({ "status": "valid" }), Some(location))
}

async fn new_order(State(state): State<Arc<AcmeState>>, body: Bytes) -> Response {
    let signed = match state.verify("order", &body) {
        Ok(signed) => signed,
        Err(problem) => return *problem,
    };
    let identifiers = signed.payload["identifiers"].as_array().unwrap();
    let domains: Vec<String> = identifiers.iter().map(|identifier| identifier["value"].as_str().unwrap().to_owned()).collect();
    let mut orders = state.orders.lock().unwrap();
    orders.push(Order { proofs: vec!["pending"; domains.len()], domains, chain: None });
    let index = orders.len() - 1;
    let location = format!("{}/order/{index}", state.base);
    let shown = state.show(index, &orders[index]);
    state.respond(StatusCode::CREATED, &shown, Some(location))
}

async fn order(State(state): State<Arc<AcmeState>>, Path(index): Path<usize>, body: Bytes) -> Response {
    if let Err(problem) = state.verify(&format!("order/{index}"), &body) {
        return *problem;
    }
    let shown = state.show(index, &state.orders.lock().unwrap()[index]);
    state.respond(StatusCode::OK, &shown, None)
}

async fn authorization(State(state): State<Arc<AcmeState>>, Path((index, domain)): Path<(usize, usize)>, body: Bytes) -> Response {
    if let Err(problem) = state.verify(&format!("authorization/{index}/{domain}"), &body) {
        return *problem;
    }
    let orders = state.orders.lock().unwrap();
    let (name, proof) = (orders[index].domains[domain].clone(), orders[index].proofs[domain]);
    let challenge = state.show_challenge(index, domain, proof);
    let identifier = json!({ "type": "dns", "value": name });
    let other = json!({ "type": "dns-01", "url": "https://unused.test", "token": "unused", "status": "pending" });
    let shown = json!({ "status": proof, "identifier": identifier, "challenges": [other, challenge] });
    state.respond(StatusCode::OK, &shown, None)
}

async fn challenge(State(state): State<Arc<AcmeState>>, Path((index, domain)): Path<(usize, usize)>, body: Bytes) -> Response {
    let signed = match state.verify(&format!("challenge/{index}/{domain}"), &body) {
        Ok(signed) => signed,
        Err(problem) => return *problem,
    };
    let name = state.orders.lock().unwrap()[index].domains[domain].clone();
    let expected = format!("{}.{}", token(index, domain), thumbprint(&signed.account.jwk));
    let answer = ask(state.port_80.load(Ordering::SeqCst), &name, &token(index, domain)).await;
    let proof = if answer.as_deref() == Some(expected.as_str()) { "valid" } else { "invalid" };
    state.orders.lock().unwrap()[index].proofs[domain] = proof;
    // The answer may come before the outcome is known.
    state.respond(StatusCode::OK, &state.show_challenge(index, domain, "pending"), None)
}

async fn finalize(State(state): State<Arc<AcmeState>>, Path(index): Path<usize>, body: Bytes) -> Response {
    let signed = match state.verify(&format!("finalize/{index}"), &body) {
        Ok(signed) => signed,
        Err(problem) => return *problem,
    };
    let mut orders = state.orders.lock().unwrap();
    assert!(orders[index].proofs.iter().all(|proof| *proof == "valid"));
    let request = base64url::decode(signed.payload["csr"].as_str().unwrap()).unwrap();
    let names = if state.wrong_name.load(Ordering::SeqCst) { vec!["wrong.test".to_owned()] } else { orders[index].domains.clone() };
    orders[index].chain = Some(state.sign(&request, names));
    let shown = state.show(index, &orders[index]);
    state.respond(StatusCode::OK, &shown, None)
}

async fn certificate(State(state): State<Arc<AcmeState>>, Path(index): Path<usize>, body: Bytes) -> Response {
    if let Err(problem) = state.verify(&format!("certificate/{index}"), &body) {
        return *problem;
    }
    let chain = state.orders.lock().unwrap()[index].chain.clone().unwrap();
    ([("replay-nonce", state.new_nonce()), ("content-type", "application/pem-certificate-chain".to_owned())], chain).into_response()
}

impl AcmeState {
    fn new_nonce(&self) -> String {
        let nonce = format!("nonce-{}", self.next.fetch_add(1, Ordering::SeqCst));
        self.nonces.lock().unwrap().insert(nonce.clone());
        nonce
    }

    fn respond(&self, status: StatusCode, body: &Value, location: Option<String>) -> Response {
        let mut response = (status, [("replay-nonce", self.new_nonce())], body.to_string()).into_response();
        if let Some(location) = location {
            response.headers_mut().insert("location", location.parse().unwrap());
        }
        response
    }

    fn problem(&self, kind: &str, detail: &str) -> Response {
        self.respond(StatusCode::BAD_REQUEST, &problem(kind, detail), None)
    }

    /// RFC 8555 section 6: ES256 by the account's key, over a nonce of ours that
    /// is used once and the URL that was asked for.
    fn verify(&self, path: &str, body: &[u8]) -> Result<Signed, Box<Response>> {
        let body: Value = serde_json::from_slice(body).unwrap();
        let part = |name: &str| body[name].as_str().unwrap();
        let header: Value = serde_json::from_slice(&base64url::decode(part("protected")).unwrap()).unwrap();
        if !self.nonces.lock().unwrap().remove(header["nonce"].as_str().unwrap()) {
            return Err(Box::new(self.problem("badNonce", "not a nonce of ours")));
        }
        assert_eq!((&header["alg"], &header["url"]), (&json!("ES256"), &json!(format!("{}/{path}", self.base))));
        let kid = header["kid"].as_str().map(|kid| kid.rsplit_once('/').unwrap().1.parse::<usize>().unwrap());
        let account = match kid {
            Some(kid) => self.accounts.lock().unwrap()[kid].clone(),
            None => Account { jwk: header["jwk"].clone(), contact: Value::Null },
        };
        let coordinate = |name: &str| base64url::decode(account.jwk[name].as_str().unwrap()).unwrap();
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        let message = format!("{}.{}", part("protected"), part("payload"));
        let signature = base64url::decode(part("signature")).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message.as_bytes(), &signature).unwrap();
        let payload = base64url::decode(part("payload")).unwrap();
        let payload = if payload.is_empty() { Value::Null } else { serde_json::from_slice(&payload).unwrap() };
        Ok(Signed { payload, account, kid })
    }

    fn show(&self, index: usize, order: &Order) -> Value {
        let url = |path: &str| format!("{}/{path}", self.base);
        let all = |proof| order.proofs.iter().all(|own| *own == proof);
        let status = match () {
            () if order.chain.is_some() => "valid",
            () if all("valid") => "ready",
            () if order.proofs.contains(&"invalid") => "invalid",
            () => "pending",
        };
        let authorizations: Vec<String> =
            (0..order.domains.len()).map(|domain| url(&format!("authorization/{index}/{domain}"))).collect();
        let mut shown =
            json!({ "status": status, "authorizations": authorizations, "finalize": url(&format!("finalize/{index}")) });
        if order.chain.is_some() {
            shown["certificate"] = json!(url(&format!("certificate/{index}")));
        }
        shown
    }

    fn show_challenge(&self, index: usize, domain: usize, proof: &str) -> Value {
        let url = format!("{}/challenge/{index}/{domain}", self.base);
        let mut shown = json!({ "type": "http-01", "url": url, "token": token(index, domain), "status": proof });
        if proof == "invalid" {
            shown["error"] = problem("unauthorized", "the answer is wrong");
        }
        shown
    }

    fn sign(&self, request: &[u8], names: Vec<String>) -> String {
        let request = x509_cert::request::CertReq::from_der(request).unwrap();
        let key = request.info.public_key.subject_public_key.as_bytes().unwrap().to_vec();
        let asked = request.info.attributes.to_der().unwrap();
        for name in names.iter().filter(|name| *name != "wrong.test") {
            assert!(asked.windows(name.len()).any(|window| window == name.as_bytes()), "{name} is not in the request");
        }
        let mut params = CertificateParams::new(names).unwrap();
        let date = |days: i64| {
            let seconds = self.clock.now().plus_seconds(days * DAY).as_seconds();
            let date = jiff::Timestamp::from_second(seconds).unwrap().to_zoned(jiff::tz::TimeZone::UTC).date();
            date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
        };
        (params.not_before, params.not_after) = (date(0), date(LIFE_DAYS));
        params.signed_by(&RequestedKey(key), &self.authority).unwrap().pem()
    }
}

struct RequestedKey(Vec<u8>);

impl PublicKeyData for RequestedKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

fn problem(kind: &str, detail: &str) -> Value {
    json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail, "status": 400 })
}

fn token(order: usize, domain: usize) -> String {
    format!("token-{order}_{domain}")
}

/// RFC 7638.
fn thumbprint(jwk: &Value) -> String {
    let text = |name: &str| jwk[name].as_str().unwrap().to_owned();
    let members = format!(r#"{{"crv":"{}","kty":"{}","x":"{}","y":"{}"}}"#, text("crv"), text("kty"), text("x"), text("y"));
    base64url::encode(digest(&SHA256, members.as_bytes()).as_ref())
}

/// RFC 8555 section 8.3, where `port` is where the domain leads.
async fn ask(port: u16, domain: &str, token: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = format!("GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nHost: {domain}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}
