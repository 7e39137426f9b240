//! The server of a configured instance on a clock that the test moves, for what
//! takes days. Everything else is what `countersign serve` runs. Reads commands from
//! standard input, one per line, and answers each with a JSON line; ends with its
//! input.
//!
//! `serve_on_clock FOLDER KEY=VALUE...`, then `advance SECONDS`, `rotate KID`,
//! `withdraw KID`, `withdraw-both KID`

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Context as _, bail};
use countersign::app::App;
use countersign::audit::Actor;
use countersign::config::{self, ConfigFile, Disk, ProcessEnvironment, Sources, split_flag};
use countersign::http::bind;
use countersign::ids::SigningKeyId;
use countersign::log;
use countersign::signing_keys::{replace_compromised, rotate};
use countersign::startup::{ServerListeners, open_on_clock, serve_app};
use countersign_protocol::{Clock, Timestamp};
use countersign_verify::SystemClock;
use serde_json::{Value, json};
use tokio::sync::watch;

/// The machine's clock, and how far ahead of it ours is.
#[derive(Default)]
struct MovedClock(AtomicI64);

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_seconds(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("no folder")?;
    std::env::set_current_dir(Path::new(&folder))?;
    let flags: Vec<(String, String)> = arguments.map(|text| split_flag(&text)).collect::<Result<_, _>>()?;
    let sources = Sources { file: ConfigFile::Nowhere, environment: &ProcessEnvironment, flags: &flags, files: &Disk };
    let config = config::load(&sources)?.config;
    log::start(log::Format::Json, config.log.level.as_str(), None);
    let clock = Arc::new(MovedClock::default());
    let app = open_on_clock(&config, config.server.base_urls.clone(), clock.clone()).await?;
    let listeners = bind(&config.server.listen).await?;
    let (stop, stopped) = watch::channel(false);
    let runtime = tokio::runtime::Handle::current();
    let commanded = Arc::clone(&app);
    std::thread::spawn(move || {
        let outcome = obey(&runtime, &commanded, &clock);
        stop.send_replace(true);
        outcome
    });
    serve_app(app, ServerListeners::without_tls(listeners), &config, stopped).await
}

fn obey(runtime: &tokio::runtime::Handle, app: &App, clock: &MovedClock) -> anyhow::Result<()> {
    for line in std::io::stdin().lines() {
        let line = line?;
        let (verb, operand) = line.split_once(' ').context("no operand")?;
        let answer = runtime.block_on(run(app, clock, verb, operand))?;
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{answer}")?;
        stdout.flush()?;
    }
    Ok(())
}

async fn run(app: &App, clock: &MovedClock, verb: &str, operand: &str) -> anyhow::Result<Value> {
    let (by, key) = (Actor::command_line(), SigningKeyId::from_stored(operand));
    Ok(match verb {
        "advance" => {
            clock.0.fetch_add(operand.parse()?, Ordering::SeqCst);
            json!({ "now": clock.now().as_seconds() })
        }
        "rotate" => json!({ "active": rotate(app, &by, &key).await?.active.as_str() }),
        "withdraw" | "withdraw-both" => {
            let outcome = replace_compromised(app, &by, &key, verb == "withdraw-both").await?;
            json!({ "active": outcome.active.as_ref().map(SigningKeyId::as_str), "withdrawn": outcome.withdrawn.len() })
        }
        _ => bail!("no such command"),
    })
}
