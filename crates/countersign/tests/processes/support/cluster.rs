//! A PostgreSQL of a test's own, which it may stop, kill and start again.

use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{command, eventually, free_port, run, until};

/// Its server, when it runs.
pub(crate) struct Cluster {
    programs: PathBuf,
    folder: TempDir,
    /// Whose it is, where the tests run as root: PostgreSQL does not.
    owner: Option<(u32, u32)>,
    port: u16,
    server: Option<Child>,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let owner = if id("-u", "").await == Some(0) { Some(unprivileged().await) } else { None };
        if let Some((user, group)) = owner {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let mut cluster = Self { programs: programs(), folder, owner, port: free_port(), server: None };
        let mut initdb = cluster.program("initdb");
        initdb.args([
            "--pgdata",
            "data",
            "--username",
            "countersign",
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
            "--no-sync",
        ]);
        run(&mut initdb).await.success();
        cluster.run().await;
        cluster
    }

    /// Where it is, for `storage.url`.
    pub(crate) fn url(&self) -> String {
        format!("postgres://countersign@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts the server, and returns when it lets somebody in.
    pub(crate) async fn run(&mut self) {
        eventually("a PostgreSQL that accepts connections", async || {
            // After a kill the memory of the last one is in use for a moment, and the start fails.
            if self.server.as_mut().is_none_or(|server| server.try_wait().unwrap().is_some()) {
                let mut postgres = self.program("postgres");
                postgres.args(["-D", "data", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
                postgres.args(["-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=50"]);
                self.server = Some(postgres.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
            }
            let url: tokio_postgres::Config = self.url().parse().unwrap();
            url.connect(tokio_postgres::NoTls).await.ok().map(drop)
        })
        .await;
    }

    /// Ends the server by a signal: INT is its fast way, QUIT its immediate one.
    pub(crate) async fn end(&mut self, signal: &str) {
        let mut server = self.server.take().unwrap();
        let id = server.id().unwrap().to_string();
        let sent = Command::new("/bin/sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal, &id]).status().await;
        assert!(sent.unwrap().success());
        until("the end of PostgreSQL", server.wait()).await.unwrap();
    }

    fn program(&self, name: &str) -> Command {
        let mut program = command(self.programs.join(name), self.folder.path());
        if let Some((user, group)) = self.owner {
            program.uid(user).gid(group);
        }
        program
    }
}

/// The users to whom root can hand it over, the best first.
async fn unprivileged() -> (u32, u32) {
    for user in ["postgres", "nobody"] {
        if let (Some(uid), Some(gid)) = (id("-u", user).await, id("-g", user).await) {
            return (uid, gid);
        }
    }
    panic!("PostgreSQL does not run as root, and there is no other user");
}

async fn id(what: &str, user: &str) -> Option<u32> {
    let printed = Command::new("id").arg(what).args(Some(user).filter(|user| !user.is_empty())).output().await.unwrap();
    String::from_utf8(printed.stdout).unwrap().trim().parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "how `cargo xtask test` says where PostgreSQL's programs are")]
fn programs() -> PathBuf {
    std::env::var_os("COUNTERSIGN_TEST_POSTGRES_PROGRAMS").expect("run `cargo xtask test`, which finds PostgreSQL").into()
}
