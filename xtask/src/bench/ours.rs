//! A `countersign dev` that is measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::usage::SERVER_CORE;
use crate::background::{Background, Next};
use crate::clock::Stopwatch;
use crate::process;

const START: Duration = Duration::from_secs(30);

/// The server, and the folder with its data. Dropping it ends it.
pub(super) struct Ours {
    server: Background,
    program: PathBuf,
    folder: PathBuf,
    /// From the start of the process until it said that it is ready.
    pub(super) ready_after: Duration,
}

impl Ours {
    /// Starts it on the servers' core, without request budgets, on the data that the folder has.
    pub(super) fn start(program: &Path, folder: &Path) -> Result<Self> {
        let mut command = pinned(program);
        command.args(["dev", "--port", "0", "--json", "--data"]).arg(folder.join("data"));
        command.env("XDG_CONFIG_HOME", folder).env("COUNTERSIGN__LOG__LEVEL", "warn");
        command.env("COUNTERSIGN__BUDGETS__CLIENT_REQUESTS_PER_SECOND", "0");
        command.env("COUNTERSIGN__BUDGETS__SOURCE_REQUESTS_PER_SECOND", "0");
        let watch = Stopwatch::start();
        let server = Background::reading_stdout(&mut command, &folder.join("ours.log"))?;
        line(&server)?;
        Ok(Self { server, program: program.to_owned(), folder: folder.to_owned(), ready_after: watch.elapsed() })
    }

    /// Stops it as an operator would.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.server.stop("TERM", START).map(drop)
    }

    pub(super) fn id(&self) -> u32 {
        self.server.id()
    }

    pub(super) fn at(&self, path: &str) -> Result<String> {
        Ok(format!("{}{path}", self.value("BASE_URL")?))
    }

    pub(super) fn env_file(&self) -> PathBuf {
        self.folder.join("data/dev.env")
    }

    /// From the file that `countersign dev` writes.
    pub(super) fn value(&self, name: &str) -> Result<String> {
        let text = fs::read_to_string(self.env_file()).context("`countersign dev` wrote no env file")?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        Ok(value.with_context(|| format!("the env file has no {name}"))?.to_owned())
    }

    /// A token for the management API.
    pub(super) fn management_token(&self) -> Result<String> {
        let form = format!(
            "grant_type=client_credentials&audience={}&client_id={}&client_secret={}",
            self.value("MANAGEMENT_URL")?,
            self.value("MGMT_CLIENT_ID")?,
            self.value("MGMT_CLIENT_SECRET")?
        );
        let said = process::read(Command::new("curl").args(["-sS", "-d", &form, &self.at("/oauth2/default/v1/token")?]))?;
        member(&said, "access_token")
    }

    /// A new API key of the demo client.
    pub(super) fn key(&self, audience: &str, more: &[&str]) -> Result<String> {
        let create = ["key", "create", "bench", "--client", "demo-client", "--resource-server", audience];
        let options = ["--permission", "orders.read", "--json"];
        member(&self.run(&[&create[..], &options[..], more].concat())?, "key")
    }

    /// Runs a command of its command line.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<String> {
        process::read(Command::new(&self.program).args(arguments).env("XDG_CONFIG_HOME", &self.folder))
    }
}

/// A program on the core of the servers.
pub(super) fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER_CORE]).arg(program);
    command
}

/// The next line that a server writes.
pub(super) fn line(server: &Background) -> Result<String> {
    match server.next_line(START) {
        Next::Line(line) => Ok(line),
        Next::Quiet => bail!("a server is not ready after {} s", START.as_secs()),
        Next::End => bail!("a server ended at its start"),
    }
}

/// The text of a member of a JSON object.
pub(super) fn member(json: &str, name: &str) -> Result<String> {
    let rest = json.split_once(&format!("\"{name}\":")).map(|(_, rest)| rest.trim_start());
    let text = rest.and_then(|rest| rest.strip_prefix('"')).and_then(|rest| rest.split_once('"'));
    Ok(text.with_context(|| format!("there is no `{name}` in {json}"))?.0.to_owned())
}
