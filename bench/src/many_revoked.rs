//! A verifier that knows of ten million revoked tokens: what it costs to begin, to check, and
//! in memory. A server beside it, in a process of its own, tells nothing else.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hint::black_box;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, anyhow, ensure};
use bytes::Bytes;
use countersign_protocol::jose::{Algorithm, SigningKey};
use countersign_protocol::status::{ChainDigest, Position, Snapshot, SnapshotList, StatusList};
use countersign_protocol::{Clock as _, Timestamp};
use countersign_verify::testing::TestIssuer;
use countersign_verify::{StatusFeed, SystemClock};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::time::Instant;

const AUDIENCE: &str = "https://api.example.com";
/// A hundred lists of 1,048,576 places, every tenth of them revoked.
const LISTS: u64 = 100;
const PLACES: u32 = 1 << 20;
const REVOKED_OF_EACH: u64 = 100_000;
/// Tokens that are checked.
const LIVE: usize = 10_000;
const ROUNDS: usize = 100;

/// What the server answers.
struct Answers {
    keys: Bytes,
    snapshot: Bytes,
}

pub(crate) async fn serve() -> anyhow::Result<()> {
    let key = SigningKey::from_pkcs8(Algorithm::EdDSA, &SigningKey::generate(Algorithm::EdDSA)?)?;
    let now = SystemClock.now();
    let keys = json!({ "keys": [key.public_jwk("feed")] }).to_string().into();
    let snapshot = snapshot(now).sign(&key, "feed")?.into();
    let answers = Arc::new(Answers { keys, snapshot });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        let answers = Arc::clone(&answers);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&answers), request));
            // Whoever hangs up is done.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn snapshot(now: Timestamp) -> Snapshot {
    let list = |number: u64| {
        let mut list = StatusList::new(PLACES);
        // Spread over the list, and not the same in each.
        for at in 0..REVOKED_OF_EACH {
            list.revoke(at * 10 + number % 10);
        }
        SnapshotList { expires_at: now.plus_seconds(86_400), list }
    };
    Snapshot {
        authorization_server: "default".to_owned(),
        as_of: now,
        position: Position { epoch: 1, seq: 0 },
        head: ChainDigest::default(),
        lists: (1..=LISTS).map(|number| (format!("{number:x}"), list(number))).collect(),
        tokens: Vec::new(),
        marks: Vec::new(),
    }
}

async fn answer(answers: Arc<Answers>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let found = match request.uri().path() {
        "/oauth/token" => Some(Bytes::from_static(br#"{"access_token":"a","expires_in":3600,"token_type":"Bearer"}"#)),
        "/oauth2/default/v1/status/keys" => Some(answers.keys.clone()),
        "/oauth2/default/v1/status/snapshot" => Some(answers.snapshot.clone()),
        _ => None,
    };
    let mut response = Response::new(Full::new(found.clone().unwrap_or_default()));
    if found.is_none() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    Ok(response)
}

pub(crate) async fn measure() -> anyhow::Result<()> {
    let mut command = tokio::process::Command::new(env::current_exe()?);
    let mut server = command.args(["many-revoked", "serve"]).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(server.stdout.take().context("the server has no output")?).lines();
    let base = format!("http://127.0.0.1:{}", lines.next_line().await?.context("the server says nothing")?);
    let issuer = TestIssuer::new().at(SystemClock.now()).with_key(Algorithm::ES256);
    let tokens: Vec<String> = (0..LIVE).map(|number| token(&issuer, number)).collect();
    let without = issuer.verifier_builder(AUDIENCE).token_cache_entries(LIVE).build()?;
    let before = resident_megabytes()?;
    let began = Instant::now();
    let feed = StatusFeed::new(base, "a", "b").timeout(Duration::from_secs(30));
    let following = issuer.verifier_builder(AUDIENCE).token_cache_entries(LIVE).status(feed).build()?;
    following.ready(Duration::from_secs(60)).await?;
    println!("ready after {:.2} s", began.elapsed().as_secs_f64());
    println!("memory: {before} MB without, {} MB with {} revoked tokens", resident_megabytes()?, LISTS * REVOKED_OF_EACH);
    let mut figures: BTreeMap<&str, f64> = BTreeMap::new();
    for _ in 0..5 {
        for (name, verifier) in [("remembered, without status", &without), ("remembered, with status", &following)] {
            let micros = micros_of_each(&tokens, |token| verifier.verify_token_now(token).is_ok())?;
            let least = figures.entry(name).or_insert(f64::MAX);
            *least = least.min(micros);
        }
    }
    for (name, micros) in figures {
        println!("{name}: {micros:.2} us");
    }
    Ok(())
}

/// A token at a place that is not revoked.
fn token(issuer: &TestIssuer, number: usize) -> String {
    let list = number as u64 % LISTS + 1;
    // No list has a revoked token at a place that ends in the digit after its own.
    let index = (number as u64 * 10 + list % 10 + 1) % REVOKED_OF_EACH;
    let status = json!({ "status_list": { "idx": index, "uri": format!("https://a.test/oauth2/default/v1/status/{list:x}") } });
    let token = issuer.token(AUDIENCE).algorithm(Algorithm::ES256).client("svc").scope("list:users");
    token.claim("jti", format!("{list:x}.{index}")).claim("status", status).expires_in(86_400).sign()
}

fn micros_of_each(tokens: &[String], check: impl Fn(&str) -> bool) -> anyhow::Result<f64> {
    let began = Instant::now();
    for _ in 0..ROUNDS {
        for token in tokens {
            ensure!(check(black_box(token)), "a good token is refused");
        }
    }
    Ok(began.elapsed().as_secs_f64() * 1_000_000.0 / (tokens.len() * ROUNDS) as f64)
}

fn resident_megabytes() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().map_err(|_| anyhow!("not a size: {line}"))?;
    Ok(kilobytes / 1024)
}
