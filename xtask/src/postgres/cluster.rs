//! Starts and stops a cluster.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::account::Account;
use super::programs::Programs;
use crate::at_death::AtDeath;
use crate::background::{Background, Next};
use crate::clock::Deadline;
use crate::temp_folder::{self, TempFolder};
use crate::{print, process, workspace};

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(15);
/// In the log as soon as connections are accepted; `lc_messages` keeps it English.
const READY: &str = "database system is ready to accept connections";
const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// User and database.
const NAME: &str = "countersign";

/// A server that runs until this is dropped.
pub(crate) struct Cluster {
    // Before the folder: fields are dropped in this order.
    server: Background,
    _at_death: AtDeath,
    _folder: TempFolder,
    createdb: PathBuf,
    port: u16,
    password: String,
}

impl Cluster {
    /// Creates a cluster, starts its server and creates the database; returns once a client got in by password.
    pub(crate) fn start(programs: &Programs) -> Result<Self> {
        Self::start_in(programs, TempFolder::create("postgres")?)
    }

    /// The same in memory, for the hundreds of databases of the tests.
    pub(crate) fn start_in_memory(programs: &Programs) -> Result<Self> {
        Self::start_in(programs, TempFolder::create_in_memory("postgres")?)
    }

    fn start_in(programs: &Programs, folder: TempFolder) -> Result<Self> {
        let account = Account::choose()?;
        account.own(folder.path())?;
        let password = temp_folder::random_hex()?;
        let data = initialise(programs, account, folder.path(), &password)?;
        let port = free_port()?;
        let log = workspace::scratch()?.join("postgres.log");
        let server = Background::reading_stderr(&mut server_command(programs, account, folder.path(), &data, port), &log)?;
        let at_death = AtDeath::end(server.id(), "QUIT", folder.path())?;
        wait_until_ready(&server)?;
        let createdb = programs.program("createdb");
        let cluster = Self { server, _at_death: at_death, _folder: folder, createdb, port, password };
        cluster.create_database(NAME)?;
        print::line(&format!("PostgreSQL listens on {HOST}:{port}, log in {}", log.display()));
        Ok(cluster)
    }

    /// What the tests read.
    pub(crate) fn variables(&self) -> [(&'static str, String); 3] {
        let programs = self.createdb.parent().unwrap_or(&self.createdb).display().to_string();
        [
            ("COUNTERSIGN_TEST_POSTGRES_URL", self.url(NAME)),
            ("COUNTERSIGN_TEST_POSTGRES_PASSWORD", self.password.clone()),
            ("COUNTERSIGN_TEST_POSTGRES_PROGRAMS", programs),
        ]
    }

    /// Creates an empty database and returns the configuration of a server that uses it.
    pub(crate) fn server_configuration(&self, database: &str) -> Result<[(&'static str, String); 2]> {
        self.create_database(database)?;
        Ok([("COUNTERSIGN__STORAGE__URL", self.url(database)), ("COUNTERSIGN__STORAGE__PASSWORD", self.password.clone())])
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://{NAME}@{HOST}:{}/{database}", self.port)
    }

    fn create_database(&self, name: &str) -> Result<()> {
        let mut command = Command::new(&self.createdb);
        command.args(["--no-password", "--host", &HOST.to_string(), "--port", &self.port.to_string(), "--username", NAME, name]);
        process::read(command.env("PGPASSWORD", &self.password)).context("PostgreSQL runs but lets no client in")?;
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGQUIT: at once, connections or not. Nothing in it is needed again.
        if let Err(error) = self.server.stop("QUIT", STOP) {
            print::error(&format!("PostgreSQL: {error:#}"));
        }
    }
}

fn initialise(programs: &Programs, account: Account, folder: &Path, password: &str) -> Result<PathBuf> {
    let password_file = folder.join("password");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&password_file)?;
    file.write_all(password.as_bytes()).context("cannot write the password file")?;
    account.own(&password_file)?;
    let data = folder.join("data");
    let mut command = account.command(&programs.program("initdb"));
    command.current_dir(folder).arg("--pgdata").arg(&data).arg("--pwfile").arg(&password_file);
    command.args(["--username", NAME, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"]);
    process::read(&mut command)?;
    Ok(data)
}

fn server_command(programs: &Programs, account: Account, folder: &Path, data: &Path, port: u16) -> Command {
    let mut command = account.command(&programs.program("postgres"));
    command.current_dir(folder).arg("-D").arg(data).args(["-h", &HOST.to_string(), "-p", &port.to_string()]);
    let settings = [
        "max_connections=200",
        // No socket file: the tests connect by TCP, and the path of a temporary folder can be too long for one.
        "unix_socket_directories=",
        // Durability across power cuts is not what these tests look at.
        "fsync=off",
        "full_page_writes=off",
        "lc_messages=C",
        "logging_collector=off",
        "log_destination=stderr",
    ];
    for setting in settings {
        command.args(["-c", setting]);
    }
    command
}

fn wait_until_ready(server: &Background) -> Result<()> {
    let deadline = Deadline::after(START);
    let mut log = Vec::new();
    loop {
        match server.next_line(deadline.left()) {
            Next::Line(line) if line.contains(READY) => return Ok(()),
            Next::Line(line) => log.push(line),
            Next::Quiet => bail!("PostgreSQL did not start within {} s; its log:\n{}", START.as_secs(), log.join("\n")),
            Next::End => bail!("PostgreSQL did not start; its log:\n{}", log.join("\n")),
        }
    }
}

/// A port that is free now.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((HOST, 0)).context("no free port on loopback")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_for(script: &str) -> Result<()> {
        let folder = TempFolder::create("test")?;
        let server = Background::reading_stderr(Command::new("sh").args(["-c", script]), &folder.path().join("log"))?;
        wait_until_ready(&server)
    }

    #[test]
    fn a_server_that_ends_is_a_failure_that_shows_its_log() {
        let error = wait_for("echo starting >&2; echo 'FATAL:  no space' >&2").unwrap_err().to_string();
        assert_eq!(error, "PostgreSQL did not start; its log:\nstarting\nFATAL:  no space");
    }

    #[test]
    fn a_server_that_says_so_is_ready() {
        wait_for("echo 'LOG:  database system is ready to accept connections' >&2; exec sleep 60").unwrap();
    }
}
