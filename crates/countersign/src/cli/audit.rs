//! `countersign audit`.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use countersign_protocol::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Printer;
use super::api::{Api, ApiArgs, Items, Path};
use super::instance::OfflineArgs;
use crate::app::App;
use crate::audit::{ChainHash, Recomputation, RecordedEvent, VerifiedChain, verify};
use crate::ids::AuditEventId;

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign audit list --last 20
  countersign audit verify --noted 120:hVZ5Yg0SZcJ8aSxk7nCjCk6uT6xPUYdC9Pp1bQ0yX8E
  countersign audit export > audit.ndjson
  countersign audit verify --data .countersign";

/// Events between two lines of progress.
const PROGRESS: i64 = 2_000;

/// The verbs of `audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List who did what, oldest first
    List(ListArgs),
    /// Recompute the hash chain of every event, here and on the server
    Verify(VerifyArgs),
    /// Print every event, one JSON object a line
    Export(ExportArgs),
}

/// Arguments of `audit list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Print the first of them only
    #[arg(long, value_name = "COUNT", conflicts_with = "last")]
    limit: Option<usize>,
    /// Print the last of them only
    #[arg(long, value_name = "COUNT")]
    last: Option<usize>,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `audit verify`.
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// What an earlier `audit verify` said to note down: that event has to have this hash still
    #[arg(long, value_name = "SEQ:HASH", value_parser = parse_noted)]
    noted: Option<(i64, ChainHash)>,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    offline: OfflineArgs,
}

/// Arguments of `audit export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(command: AuditCommand, printer: Printer) -> anyhow::Result<()> {
    match command {
        AuditCommand::List(arguments) => list(&arguments, printer).await,
        AuditCommand::Verify(arguments) => {
            let chain = match arguments.offline.open().await? {
                Some(app) => verify_here(&app, arguments.noted, printer).await?,
                None => verify_there(&arguments.api.connect()?, arguments.noted, printer).await?,
            };
            say_whole(&chain, printer);
            Ok(())
        }
        AuditCommand::Export(arguments) => export(&arguments.api.connect()?, printer).await,
    }
}

async fn list(arguments: &ListArgs, printer: Printer) -> anyhow::Result<()> {
    const COLUMNS: [&str; 6] = ["seq", "occurred_at", "actor_kind", "actor_id", "action", "object_id"];
    let api = arguments.api.connect()?;
    let mut found = api.list(&events()?, arguments.limit).await?;
    if let Some(last) = arguments.last {
        let first = found.items.len().saturating_sub(last);
        found = Items { items: found.items.split_off(first), next_cursor: None };
    }
    printer.items(&found, &COLUMNS);
    Ok(())
}

async fn export(api: &Api, printer: Printer) -> anyhow::Result<()> {
    let mut progress = Progress::new("exported", printer);
    api.each_page(&events()?, None, |page| {
        for event in &page {
            printer.raw(&event.to_string());
        }
        progress.add(page.len());
    })
    .await?;
    progress.end();
    Ok(())
}

async fn verify_here(app: &App, noted: Option<(i64, ChainHash)>, printer: Printer) -> anyhow::Result<VerifiedChain> {
    let mut progress = Progress::new("verified", printer);
    let chain = verify(&app.store, noted, |events| progress.reached(events)).await;
    chain.context("the audit log is not whole")
}

/// The server's own word, and every hash again on this side: a server that was tampered
/// with may not say so.
async fn verify_there(api: &Api, noted: Option<(i64, ChainHash)>, printer: Printer) -> anyhow::Result<VerifiedChain> {
    let said: Verification = serde_json::from_value(api.get(&Path::of(&["audit", "verification"])?).await?.body)?;
    if !said.whole {
        bail!("the audit log is not whole: {}", said.fault.as_deref().unwrap_or("the server does not say why"));
    }
    let mut progress = Progress::new("verified", printer);
    let mut chain = Recomputation::new(noted);
    let mut problem = None;
    api.each_page(&events()?, None, |page| {
        progress.add(page.len());
        for event in page {
            // What happened meanwhile is not part of what the server answered for.
            if problem.is_none() && chain.events() < said.events {
                problem = read_event(event).and_then(|event| Ok(chain.extend(&event)?)).err();
            }
        }
    })
    .await?;
    let chain = match problem {
        Some(problem) => Err(problem),
        None => Ok(chain.finish(said.events, &ChainHash::from_stored(&said.head))?),
    };
    chain.context("the audit log is not whole")
}

fn say_whole(chain: &VerifiedChain, printer: Printer) {
    let (events, head) = (chain.events, chain.head.as_str());
    let value = json!({ "whole": true, "events": events, "head": head, "fault": null });
    printer.result(&value, &format!("whole   yes\nevents  {events}\nhead    {head}"));
    printer.note(&format!(
        "Note down {events}:{head}; `audit verify --noted {events}:{head}` shows later whether anything up to here was changed."
    ));
}

fn events() -> anyhow::Result<Path> {
    Path::of(&["audit", "events"])
}

/// What the server says of its own log.
#[derive(Deserialize)]
struct Verification {
    whole: bool,
    events: i64,
    head: String,
    fault: Option<String>,
}

/// An event as the API shows it.
#[derive(Deserialize)]
struct Event {
    id: String,
    seq: i64,
    occurred_at: String,
    actor_kind: String,
    actor_id: Option<String>,
    request_id: Option<String>,
    source_address: Option<String>,
    action: String,
    object_kind: String,
    object_id: String,
    organization_id: Option<String>,
    details: Map<String, Value>,
    hash: String,
}

fn read_event(value: Value) -> anyhow::Result<RecordedEvent> {
    let event: Event = serde_json::from_value(value).context("an event is not what an audit log has")?;
    let occurred_at: jiff::Timestamp = event.occurred_at.parse().context("the time of an event is no time")?;
    Ok(RecordedEvent {
        seq: event.seq,
        id: AuditEventId::from_stored(&event.id),
        occurred_at: Timestamp::from_millis(occurred_at.as_millisecond()),
        actor_kind: event.actor_kind,
        actor_id: event.actor_id,
        request_id: event.request_id,
        source_address: event.source_address,
        action: event.action,
        object_kind: event.object_kind,
        object_id: event.object_id,
        organization_id: event.organization_id,
        details: Value::Object(event.details).to_string(),
        hash: ChainHash::from_stored(&event.hash),
    })
}

fn parse_noted(text: &str) -> anyhow::Result<(i64, ChainHash)> {
    let (seq, hash) = text.split_once(':').context("expected SEQ:HASH, as `audit verify` prints it")?;
    let seq = seq.parse().ok().filter(|seq| *seq > 0).context("the number of an event is 1 or more")?;
    Ok((seq, ChainHash::from_stored(hash)))
}

/// Says now and then how far a long command is.
struct Progress {
    done: &'static str,
    events: i64,
    said: i64,
    printer: Printer,
}

impl Progress {
    const fn new(done: &'static str, printer: Printer) -> Self {
        Self { done, events: 0, said: 0, printer }
    }

    fn add(&mut self, more: usize) {
        self.reached(self.events + i64::try_from(more).unwrap_or(0));
    }

    fn reached(&mut self, events: i64) {
        self.events = events;
        if events >= self.said + PROGRESS {
            self.said = events;
            self.printer.note(&format!("{} {events} events", self.done));
        }
    }

    fn end(self) {
        self.printer.note(&format!("{} {} events", self.done, self.events));
    }
}
