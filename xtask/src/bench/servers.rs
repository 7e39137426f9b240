//! The servers that are compared, started on one core.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::job::{Job, Target};
use super::usage::SERVER_CORE;
use crate::background::{Background, Next};
use crate::temp_folder::TempFolder;
use crate::{process, workspace};

const START: Duration = Duration::from_secs(30);
/// The secret that the floor knows.
const FLOOR_SECRET: &str = "csec_0123456789ab0123456789012345678901234567890123456789012abcdef";
/// By algorithm: what the resource servers of each kind are called.
const AUDIENCES: [(&str, &str); 3] =
    [("RS256", "http://rs256.test"), ("ES256", "http://es256.test"), ("EdDSA", "http://eddsa.test")];

/// All of them. Dropping it ends them.
pub(super) struct Servers {
    floor: Background,
    floor_url: String,
    floor_token: String,
    ours: Background,
    peer: Background,
    peer_url: String,
    program: PathBuf,
    folder: TempFolder,
}

impl Servers {
    pub(super) fn start() -> Result<Self> {
        process::run(&mut process::cargo([
            "build",
            "--release",
            "--locked",
            "--package",
            "countersign",
            "--package",
            "countersign-bench",
        ]))?;
        let peers = workspace::root().join("bench/peers");
        process::run(Command::new("npm").current_dir(&peers).args(["ci", "--no-audit", "--no-fund"]))?;
        let (folder, programs) = (TempFolder::create("bench")?, workspace::target()?.join("release"));
        let floor = Background::reading_stdout(pinned(&programs.join("floor")).env_clear(), &folder.path().join("floor.log"))?;
        let (floor_port, floor_token) = (line(&floor)?, line(&floor)?);
        let mut node = pinned(Path::new("node"));
        node.arg(peers.join("oidc-provider.mjs")).env("CLIENT_SECRET", FLOOR_SECRET).env("NODE_ENV", "production");
        let peer = Background::reading_stdout(&mut node, &folder.path().join("peer.log"))?;
        let peer_port = line(&peer)?;
        let program = programs.join("countersign");
        let mut command = pinned(&program);
        command.args(["dev", "--port", "0", "--json", "--data"]).arg(folder.path().join("data"));
        command.env("XDG_CONFIG_HOME", folder.path()).env("COUNTERSIGN__LOG__LEVEL", "warn");
        command.env("COUNTERSIGN__BUDGETS__CLIENT_REQUESTS_PER_SECOND", "0");
        command.env("COUNTERSIGN__BUDGETS__SOURCE_REQUESTS_PER_SECOND", "0");
        let ours = Background::reading_stdout(&mut command, &folder.path().join("ours.log"))?;
        line(&ours)?;
        let local = |port: &str| format!("http://127.0.0.1:{port}");
        Ok(Self { floor, floor_url: local(&floor_port), floor_token, ours, peer, peer_url: local(&peer_port), program, folder })
    }

    pub(super) fn ours_id(&self) -> u32 {
        self.ours.id()
    }

    /// Makes what the jobs need.
    pub(super) fn jobs(&self) -> Result<Vec<Job>> {
        let mut jobs = Vec::new();
        for (algorithm, audience) in AUDIENCES {
            self.countersign(&["resource-server", "create", audience, "--signing-alg", algorithm, "--scope", "list:users"])?;
            self.countersign(&["grant", "create", "demo-client", audience])?;
            jobs.push(self.token_job(algorithm, audience)?);
        }
        jobs.push(self.introspection_job()?);
        Ok(jobs)
    }

    fn token_job(&self, algorithm: &str, audience: &str) -> Result<Job> {
        let name = match algorithm {
            "RS256" => "token-rs256",
            "ES256" => "token-es256",
            _ => "token-eddsa",
        };
        let form = |secret: &str, parameter: &str| {
            format!(
                "grant_type=client_credentials&{parameter}={audience}&scope=list:users&client_id=demo-client&client_secret={secret}"
            )
        };
        let floor_url = format!("{}/token/{}", self.floor_url, algorithm.to_lowercase());
        let peer = match algorithm {
            "EdDSA" => None,
            _ => Some(self.target(
                &format!("{name}-peer"),
                &self.peer,
                format!("{}/token", self.peer_url),
                &form(FLOOR_SECRET, "resource"),
            )?),
        };
        Ok(Job {
            name,
            floor: self.target(&format!("{name}-floor"), &self.floor, floor_url, &form(FLOOR_SECRET, "audience"))?,
            ours: self.target(name, &self.ours, self.ours_at("/oauth/token")?, &form(&self.value("CLIENT_SECRET")?, "audience"))?,
            peer,
        })
    }

    fn introspection_job(&self) -> Result<Job> {
        let (_, audience) = AUDIENCES.get(1).copied().unwrap_or_default();
        let env_file = self.env_file();
        let token = self.countersign(&["token", "get", "--audience", audience, "--env-file", &env_file.to_string_lossy()])?;
        let form = |secret: &str, token: &str| format!("token={token}&client_id=demo-client&client_secret={secret}");
        let ours = form(&self.value("CLIENT_SECRET")?, token.trim());
        let peer_token = self.peer_token()?;
        Ok(Job {
            name: "introspect-es256",
            floor: self.target(
                "introspect-floor",
                &self.floor,
                format!("{}/introspect", self.floor_url),
                &form(FLOOR_SECRET, &self.floor_token),
            )?,
            ours: self.target("introspect", &self.ours, self.ours_at("/oauth/introspect")?, &ours)?,
            peer: Some(self.target(
                "introspect-peer",
                &self.peer,
                format!("{}/token/introspection", self.peer_url),
                &form(FLOOR_SECRET, &peer_token),
            )?),
        })
    }

    /// An opaque one: the peer does not introspect its JWTs.
    fn peer_token(&self) -> Result<String> {
        let form = format!(
            "grant_type=client_credentials&resource=http://opaque.test&scope=list:users&client_id=demo-client&client_secret={FLOOR_SECRET}"
        );
        let said = process::read(Command::new("curl").args(["-sS", "-d", &form, &format!("{}/token", self.peer_url)]))?;
        let token = said.split_once("\"access_token\":\"").and_then(|(_, rest)| rest.split_once('"'));
        Ok(token.with_context(|| format!("the peer gives no token: {said}"))?.0.to_owned())
    }

    fn target(&self, name: &str, server: &Background, url: String, form: &str) -> Result<Target> {
        Target::new(self.folder.path(), name, server.id(), url, form)
    }

    fn ours_at(&self, path: &str) -> Result<String> {
        Ok(format!("{}{path}", self.value("BASE_URL")?))
    }

    fn env_file(&self) -> PathBuf {
        self.folder.path().join("data/dev.env")
    }

    /// From the file that `countersign dev` writes.
    fn value(&self, name: &str) -> Result<String> {
        let text = fs::read_to_string(self.env_file()).context("`countersign dev` wrote no env file")?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        Ok(value.with_context(|| format!("the env file has no {name}"))?.to_owned())
    }

    fn countersign(&self, arguments: &[&str]) -> Result<String> {
        process::read(Command::new(&self.program).args(arguments).env("XDG_CONFIG_HOME", self.folder.path()))
    }
}

fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER_CORE]).arg(program);
    command
}

fn line(server: &Background) -> Result<String> {
    match server.next_line(START) {
        Next::Line(line) => Ok(line),
        Next::Quiet => bail!("a server is not ready after {} s", START.as_secs()),
        Next::End => bail!("a server ended at its start"),
    }
}
