//! Two nodes on one PostgreSQL that are measured.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{fs, iter};

use anyhow::{Result, bail};

use super::ours::{member, pinned};
use crate::background::{Background, Next};
use crate::postgres::{Cluster, NEEDED, Programs, free_port};
use crate::process;
use crate::temp_folder::TempFolder;

const START: Duration = Duration::from_secs(30);
const AUDIENCE: &str = "https://api.example.com";

/// Both are one instance: what they share is its database. Dropping it ends them.
pub(super) struct Nodes {
    _first: Background,
    _second: Background,
    /// Where the second answers; nobody else knows.
    pub(super) second: String,
    /// What clients of the first need.
    pub(super) env_file: PathBuf,
    _folder: TempFolder,
    _cluster: Cluster,
}

impl Nodes {
    pub(super) fn start(program: &Path) -> Result<Self> {
        let found = Programs::find().map_err(|problem| anyhow::anyhow!("{NEEDED}: {problem}"))?;
        let (cluster, folder) = (Cluster::start(&found)?, TempFolder::create("nodes")?);
        let (port_of_first, port_of_second) = (free_port()?, free_port()?);
        let instance = Instance {
            program,
            folder: folder.path(),
            storage: cluster.server_configuration("nodes")?,
            base: format!("http://127.0.0.1:{port_of_first}"),
        };
        let operator = instance.credential(&mut instance.command("init"))?;
        let (first, second) = (instance.serve(port_of_first)?, instance.serve(port_of_second)?);
        let env_file = folder.path().join("nodes.env");
        fs::write(&env_file, instance.prepare(&operator)?)?;
        let second_at = format!("http://127.0.0.1:{port_of_second}");
        Ok(Self { _first: first, _second: second, second: second_at, env_file, _folder: folder, _cluster: cluster })
    }
}

struct Instance<'a> {
    program: &'a Path,
    folder: &'a Path,
    storage: [(&'static str, String); 2],
    base: String,
}

struct Credential {
    id: String,
    secret: String,
}

impl Instance<'_> {
    /// A command on the core of the servers, with the instance's settings.
    fn command(&self, name: &str) -> Command {
        let mut command = pinned(self.program);
        command.current_dir(self.folder).arg(name).env("XDG_CONFIG_HOME", self.folder).envs(self.storage.clone());
        let settings =
            ["log.level=info", "budgets.client_requests_per_second=0", "budgets.source_requests_per_second=0"].map(str::to_owned);
        let own = ["keys.master_key_file=master.key".to_owned(), format!("server.base_urls={}", self.base)];
        command.args(settings.into_iter().chain(own).flat_map(|setting| ["--set".to_owned(), setting]));
        command
    }

    /// Starts a node and waits until it is ready.
    fn serve(&self, port: u16) -> Result<Background> {
        let mut command = self.command("serve");
        command.args(["--set", &format!("server.listen=127.0.0.1:{port}")]);
        let node = Background::reading_stderr(&mut command, &self.folder.join(format!("{port}.log")))?;
        loop {
            match node.next_line(START) {
                Next::Line(line) if line.contains("ready") => return Ok(node),
                Next::Line(_) => {}
                Next::Quiet => bail!("a node is not ready after {} s", START.as_secs()),
                Next::End => bail!("a node ended at its start"),
            }
        }
    }

    fn credential(&self, command: &mut Command) -> Result<Credential> {
        let printed = process::read(command.arg("--json"))?;
        Ok(Credential { id: member(&printed, "client_id")?, secret: member(&printed, "client_secret")? })
    }

    /// Makes what verifiers and their partners need, and says it as an env file.
    fn prepare(&self, operator: &Credential) -> Result<String> {
        let management = format!("{}/manage/v1", self.base);
        let command = |arguments: &[&str]| {
            let mut command = Command::new(self.program);
            command.current_dir(self.folder).args(arguments).env("XDG_CONFIG_HOME", self.folder);
            command.env("COUNTERSIGN_MANAGEMENT_URL", &management);
            command.env("COUNTERSIGN_CLIENT_ID", &operator.id).env("COUNTERSIGN_CLIENT_SECRET", &operator.secret);
            command
        };
        let run = |arguments: &[&str]| process::read(&mut command(arguments)).map(drop);
        let client = |id: &str| self.credential(&mut command(&["client", "create", id, "--id", id]));
        run(&["authorization-server", "update", "default", "--status-lists", "true"])?;
        run(&["resource-server", "create", AUDIENCE, "--scope", "list:users"])?;
        let (partner, api) = (client("partner")?, client("orders-api")?);
        run(&["grant", "create", &partner.id, AUDIENCE])?;
        run(&["grant", "create", &api.id, &management, "--scope", "status:read"])?;
        let credentials = [("CLIENT", &partner), ("STATUS_CLIENT", &api), ("MGMT_CLIENT", operator)];
        let lines = [("BASE_URL", &*self.base), ("AUDIENCE", AUDIENCE), ("MANAGEMENT_URL", &management)];
        let lines = lines.map(|(name, value)| format!("{name}={value}\n")).into_iter();
        Ok(lines.chain(credentials.into_iter().flat_map(|(name, own)| said(name, own))).collect())
    }
}

fn said<'a>(name: &'a str, own: &'a Credential) -> impl Iterator<Item = String> + 'a {
    iter::once(format!("{name}_ID={}\n", own.id)).chain(iter::once(format!("{name}_SECRET={}\n", own.secret)))
}
