//! `countersign key import`: keys that another system hashed, read piece by piece.

mod input;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cli::Printer;
use crate::cli::api::{Api, ApiArgs, Path};
use crate::cli::authorization_server::parse_id;
use crate::cli::resource_server;
use crate::ids::AuthorizationServerId;
use input::{Batch, Entries};
use report::{Failures, Tally};

/// Batches that are under way at once.
const AT_ONCE: usize = 4;
/// How long an access token is used: it lives for ten minutes.
const TOKEN_USED_FOR: Duration = Duration::from_secs(300);

/// Arguments of `key import`.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// What to import: a file, or `-` for standard input
    file: PathBuf,
    /// How it is written [default: by the file's name, else ndjson]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The client of keys that name none
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// The resource server (API) of keys that name none, by its audience or id
    #[arg(long, value_name = "AUDIENCE|ID")]
    resource_server: Option<String>,
    /// The authorization server that an audience belongs to
    #[arg(long, default_value = AuthorizationServerId::DEFAULT, value_parser = parse_id)]
    authorization_server: AuthorizationServerId,
    /// The import key of HMACs that name none
    #[arg(long, value_name = "ID")]
    import_key: Option<String>,
    /// Check everything and import nothing
    #[arg(long)]
    dry_run: bool,
    /// Where to write what failed, a line of JSON each [default: FILE.failures.ndjson]
    #[arg(long, value_name = "FILE")]
    failures: Option<PathBuf>,
    #[command(flatten)]
    api: ApiArgs,
}

/// How entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A header, then a line for each key; lists are separated by spaces, objects are JSON
    Csv,
    /// A JSON object on each line
    Ndjson,
}

impl ImportArgs {
    fn is_stdin(&self) -> bool {
        self.file.as_os_str() == "-"
    }

    fn format(&self) -> Format {
        let by_name = || self.file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        self.format.unwrap_or_else(|| if by_name() { Format::Csv } else { Format::Ndjson })
    }

    fn failures_file(&self) -> PathBuf {
        let name = || if self.is_stdin() { PathBuf::from("import") } else { self.file.clone() };
        self.failures.clone().unwrap_or_else(|| {
            let mut path = name().into_os_string();
            path.push(".failures.ndjson");
            path.into()
        })
    }

    /// Members of entries that lack them.
    async fn defaults(&self, api: &Api) -> anyhow::Result<Vec<(&'static str, Value)>> {
        let text = |value: &Option<String>| value.as_deref().map(Value::from);
        let resource_server = match &self.resource_server {
            Some(named) => resource_server::find(api, named, &self.authorization_server).await?.get("id").cloned(),
            None => None,
        };
        let given =
            [("client_id", text(&self.client)), ("resource_server_id", resource_server), ("import_key_id", text(&self.import_key))];
        Ok(given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

/// Imports what a file holds, a thousand keys at a time. Run again, what is there already
/// is passed over.
pub(in crate::cli) async fn run(arguments: ImportArgs, printer: Printer) -> anyhow::Result<ExitCode> {
    let mut caller = Caller::new(arguments.api.clone())?;
    let defaults = arguments.defaults(&*caller.api()?).await?;
    let mut entries = Entries::open(&arguments.file, arguments.format(), defaults)?;
    let mut failures = Failures::new(arguments.failures_file());
    let mut tally = Tally::new(printer);
    let mut under_way = JoinSet::new();
    while let Some(batch) = entries.next_batch(&mut failures)? {
        if under_way.len() >= AT_ONCE {
            finish_one(&mut under_way, &mut tally, &mut failures).await?;
        }
        let api = caller.api()?;
        under_way.spawn(async move { send(&api, batch, arguments.dry_run).await });
    }
    while !under_way.is_empty() {
        finish_one(&mut under_way, &mut tally, &mut failures).await?;
    }
    tally.unread(failures.written() - tally.failed());
    let failed = tally.failed();
    let file = failures.finish()?;
    tally.say(arguments.dry_run, file.as_deref());
    let Some(file) = file else { return Ok(ExitCode::SUCCESS) };
    // The result is told already, also to a script.
    printer.note(&format!("{failed} keys were not imported: {} says why", file.display()));
    Ok(ExitCode::FAILURE)
}

async fn finish_one(
    under_way: &mut JoinSet<anyhow::Result<(Batch, Value)>>,
    tally: &mut Tally,
    failures: &mut Failures,
) -> anyhow::Result<()> {
    let Some(done) = under_way.join_next().await else { return Ok(()) };
    let (batch, reply) = done.context("a batch was given up")?.with_context(|| tally.way_on())?;
    tally.add(&batch, &reply, failures)
}

async fn send(api: &Api, batch: Batch, dry_run: bool) -> anyhow::Result<(Batch, Value)> {
    let body = json!({ "dry_run": dry_run, "entries": batch.entries });
    let reply = api.ask(&Path::of(&["keys", "import"])?, &body).await?;
    Ok((Batch { entries: Vec::new(), ..batch }, reply.body))
}

/// Calls with tokens that live.
struct Caller {
    arguments: ApiArgs,
    api: Arc<Api>,
    since: Instant,
}

impl Caller {
    fn new(arguments: ApiArgs) -> anyhow::Result<Self> {
        Ok(Self { api: Arc::new(arguments.connect()?), arguments, since: Instant::now() })
    }

    fn api(&mut self) -> anyhow::Result<Arc<Api>> {
        if self.since.elapsed() > TOKEN_USED_FOR {
            *self = Self::new(self.arguments.clone())?;
        }
        Ok(Arc::clone(&self.api))
    }
}
