//! Many verifiers that follow the status feed of a server that runs: how long after a
//! revocation was acknowledged each of them refuses the token. Then one of ten million
//! revoked tokens.
#![expect(clippy::print_stdout, reason = "whoever starts it reads the figures")]

mod many_revoked;

use std::collections::BTreeMap;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, anyhow, ensure};
use bytes::Bytes;
use countersign_verify::{HttpClient, Limits, StatusFeed, Verifier};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Nobody waits longer for a refusal.
const GIVE_UP: Duration = Duration::from_secs(20);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["latency", env_file, revoke_at, verifiers, revocations] => {
            runtime.block_on(latency(env_file, revoke_at, verifiers.parse()?, revocations.parse()?))
        }
        ["many-revoked"] => runtime.block_on(many_revoked::measure()),
        ["many-revoked", "serve"] => runtime.block_on(many_revoked::serve()),
        _ => Err(anyhow!("feed latency ENV_FILE REVOKE_AT VERIFIERS REVOCATIONS, or feed many-revoked")),
    }
}

/// The server as its env file describes it.
struct Server {
    values: BTreeMap<String, String>,
    client: HttpClient,
}

impl Server {
    fn of(env_file: &str) -> anyhow::Result<Self> {
        let text = fs::read_to_string(env_file).with_context(|| format!("cannot read {env_file}"))?;
        let values = text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Self { values: values.collect(), client: HttpClient::new()? })
    }

    fn value(&self, name: &str) -> anyhow::Result<&str> {
        self.values.get(name).map(String::as_str).with_context(|| format!("the env file has no {name}"))
    }

    async fn token(&self, id: &str, secret: &str, audience: &str) -> anyhow::Result<String> {
        let form = format!(
            "grant_type=client_credentials&audience={}&client_id={}&client_secret={}",
            self.value(audience)?,
            self.value(id)?,
            self.value(secret)?
        );
        let url = format!("{}/oauth/token", self.value("BASE_URL")?);
        let request = Request::post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(Bytes::from(form))?;
        let response = self.client.send(request, Limits::default()).await?;
        let body: Value = serde_json::from_slice(response.body())?;
        Ok(body.get("access_token").and_then(Value::as_str).with_context(|| format!("no token: {body}"))?.to_owned())
    }

    async fn revoke(&self, at: &str, operator: &str, token: &str) -> anyhow::Result<()> {
        let body = json!({ "kind": "token", "value": token }).to_string();
        let request = Request::builder().method(Method::POST).uri(format!("{at}/manage/v1/revocations"));
        let request = request.header(CONTENT_TYPE, "application/json").header(AUTHORIZATION, format!("Bearer {operator}"));
        let response = self.client.send(request.body(Bytes::from(body))?, Limits::default()).await?;
        ensure!(response.status() == StatusCode::OK, "the revocation was answered with {}", response.status());
        Ok(())
    }
}

async fn latency(env_file: &str, revoke_at: &str, count: usize, revocations: usize) -> anyhow::Result<()> {
    let server = Server::of(env_file)?;
    let (base, audience) = (server.value("BASE_URL")?, server.value("AUDIENCE")?);
    let began = Instant::now();
    let mut verifiers = Vec::with_capacity(count);
    for _ in 0..count {
        // A connection, a mirror and a token of its own for each.
        let feed = StatusFeed::new(base, server.value("STATUS_CLIENT_ID")?, server.value("STATUS_CLIENT_SECRET")?);
        let feed = feed.timeout(Duration::from_secs(30));
        verifiers.push(Verifier::builder(format!("{base}/"), audience).status(feed).build()?);
    }
    for verifier in &verifiers {
        verifier.ready(Duration::from_secs(120)).await?;
    }
    println!("{count} verifiers follow after {:.1} s", began.elapsed().as_secs_f64());
    // Each of them has its stream by the first heartbeat.
    while verifiers.iter().any(|verifier| verifier.status().any(|(_, state)| state.records == 0)) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let operator = server.token("MGMT_CLIENT_ID", "MGMT_CLIENT_SECRET", "MANAGEMENT_URL").await?;
    let mut delays = Vec::with_capacity(count * revocations);
    for number in 1..=revocations {
        let token = server.token("CLIENT_ID", "CLIENT_SECRET", "AUDIENCE").await?;
        for verifier in &verifiers {
            verifier.verify_token(&token).await.map_err(|denied| anyhow!("a good token is refused: {denied}"))?;
        }
        server.revoke(revoke_at, &operator, &token).await?;
        let after = all_refuse(&verifiers, &token).await?;
        println!("revocation {number}: {}", said(after.clone()));
        delays.extend(after);
    }
    println!("{revocations} revocations, {count} verifiers: {}", said(delays));
    Ok(())
}

/// How long after now each verifier refuses the token, in milliseconds.
async fn all_refuse(verifiers: &[Verifier], token: &str) -> anyhow::Result<Vec<f64>> {
    let acknowledged = Instant::now();
    let (mut waiting, mut delays): (Vec<&Verifier>, _) = (verifiers.iter().collect(), Vec::new());
    while !waiting.is_empty() {
        waiting.retain(|verifier| {
            let refuses = verifier.verify_token_now(token).is_err_and(|denied| denied.status() == StatusCode::UNAUTHORIZED);
            if refuses {
                delays.push(acknowledged.elapsed().as_secs_f64() * 1_000.0);
            }
            !refuses
        });
        ensure!(acknowledged.elapsed() < GIVE_UP, "{} verifiers do not refuse it", waiting.len());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(delays)
}

/// Percentiles, in milliseconds.
fn said(mut delays: Vec<f64>) -> String {
    delays.sort_by(f64::total_cmp);
    let at = |thousandth: usize| delays.get((delays.len() * thousandth / 1_000).min(delays.len() - 1)).copied().unwrap_or_default();
    format!("p50 {:.0} ms, p99 {:.0} ms, p99.9 {:.0} ms, most {:.0} ms", at(500), at(990), at(999), at(1_000))
}
