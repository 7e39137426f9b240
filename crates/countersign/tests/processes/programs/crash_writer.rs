//! A writer for the durability test: creates and disables clients through the
//! product's own use-cases, many at a time, and prints what was acknowledged, one
//! per line, after the reply. Runs until it is killed.
//!
//! `crash_writer FOLDER power-loss|process-crash|none SEED`

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use countersign::app::{App, AppParts};
use countersign::audit::Actor;
use countersign::clients::{self, NewClient};
use countersign::entropy::{Entropy, SeededEntropy, SystemEntropy, random};
use countersign::outbound::{Outbound, OutboundOptions};
use countersign::sealing::MasterKey;
use countersign::store::{ConnectOptions, Durability, Store};
use countersign::timer::SystemTimer;
use countersign_protocol::{ClientAuthMethod, Secret};
use countersign_verify::SystemClock;

/// Writers at a time, so that commits are shared.
const WRITERS: u64 = 16;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [folder, durability, seed] =
        <[String; 3]>::try_from(std::env::args().skip(1).collect::<Vec<_>>()).ok().context("wrong arguments")?;
    let durability = match durability.as_str() {
        "power-loss" => Durability::PowerLoss,
        "process-crash" => Durability::ProcessCrash,
        "none" => Durability::None,
        _ => bail!("no such durability"),
    };
    let seed: u64 = seed.parse()?;
    let path = PathBuf::from(folder).join("countersign.db");
    if durability == Durability::None {
        // The set-up reads back what it wrote, and a reply that precedes the commit
        // does not promise that.
        open(path.clone(), Durability::PowerLoss).await?;
    }
    let app = open(path, durability).await?;
    let writers: Vec<_> = (0..WRITERS).map(|number| tokio::spawn(write(Arc::clone(&app), seed * WRITERS + number))).collect();
    for writer in writers {
        writer.await??;
    }
    Ok(())
}

async fn open(path: PathBuf, durability: Durability) -> anyhow::Result<Arc<App>> {
    let parts = AppParts {
        store: Store::open(ConnectOptions::Sqlite { path, durability }).await?,
        master_key: MasterKey::new(&Secret::new(vec![7; 32]))?,
        clock: Arc::new(SystemClock),
        timer: Arc::new(SystemTimer::new(Arc::new(SystemClock))),
        entropy: Arc::new(SystemEntropy),
        bases: Vec::new(),
        trusted_proxies: countersign::config::TrustedProxies::default(),
        budgets: countersign::config::BudgetsConfig::default(),
        counters: countersign::counters::CountersOptions::default(),
        refusals: countersign::config::RefusalsConfig::default(),
        usage: countersign::config::UsageConfig::default(),
        backdate_seconds: 0,
        reuse_min_life_percent: 50,
        client_cache_capacity: 1_000,
        api_key_cache_capacity: 1_000,
        signing_threads: 1,
        hash_threads: 1,
        leak_reports: None,
        outbound: Outbound::new(&OutboundOptions::default())?,
    };
    Ok(App::start(parts).await?)
}

async fn write(app: Arc<App>, seed: u64) -> anyhow::Result<()> {
    let choices = SeededEntropy::new(seed);
    loop {
        let [length, also_disable] = random::<2>(&choices as &dyn Entropy);
        let new = NewClient {
            id: None,
            name: "x".repeat(1 + usize::from(length) % 200),
            auth_method: ClientAuthMethod::ClientSecretBasic,
            auth_method_enforced: false,
            ..NewClient::named("")
        };
        let id = clients::create(&app, &Actor::command_line(), new).await?.client.id;
        acknowledge("created", id.as_str())?;
        if also_disable % 2 == 0 {
            clients::disable(&app, &Actor::command_line(), &id).await?;
            acknowledge("disabled", id.as_str())?;
        }
    }
}

fn acknowledge(what: &str, id: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{what} {id}")?;
    stdout.flush()
}
