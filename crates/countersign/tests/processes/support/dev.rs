//! `countersign dev`, started and ready.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::http::{Connection, Reply};
use super::{BINARY, Process, command};

/// A running `countersign dev`.
pub(crate) struct Dev {
    pub(crate) process: Process,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) port: u16,
}

impl Dev {
    /// Where `dev` that was started in `folder` keeps its data.
    pub(crate) fn data(folder: &Path) -> PathBuf {
        folder.join(".countersign")
    }

    /// Starts it in `folder` and waits until it says that it is ready.
    pub(crate) async fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_with(command(BINARY, folder).arg("dev").args(arguments), &Self::data(folder).join("dev.env")).await
    }

    /// The same for a prepared command, with the env file that it will write.
    pub(crate) async fn start_with(command: &mut tokio::process::Command, env_file: &Path) -> Self {
        let mut process = Process::start(command);
        process.prints("Ctrl-C stops it.").await;
        let text = std::fs::read_to_string(env_file).unwrap();
        let env: BTreeMap<String, String> = text
            .lines()
            .map(|line| line.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let port = env["BASE_URL"].rsplit_once(':').unwrap().1.parse().unwrap();
        Self { process, env, port }
    }

    /// A token request of the demo client with this secret.
    pub(crate) async fn token_with(&self, secret: &str) -> Reply {
        Connection::open(self.port).await.unwrap().token(&self.env["CLIENT_ID"], secret, &self.env["AUDIENCE"]).await
    }

    /// A token request of the demo client.
    pub(crate) async fn token(&self) -> Reply {
        self.token_with(&self.env["CLIENT_SECRET"]).await
    }
}
