//! The server on a clock that the test moves.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::support::http::{Connection, get};
use crate::support::{AUDIENCE, Client, Instance, command, eventually, example, free_port, until};

pub(super) struct ClockServer {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    port: u16,
    pub(super) base: String,
}

impl ClockServer {
    pub(super) async fn start(instance: &Instance) -> Self {
        let port = free_port();
        let base = format!("http://localhost:{port}");
        let mut command = command(example("serve_on_clock"), instance.folder());
        command.arg(instance.folder()).arg(format!("server.listen=127.0.0.1:{port}")).arg(format!("server.base_urls={base}"));
        command.args(["signing_keys.check_interval_seconds=1", "log.level=warn"]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let server = Self { process, input, output: BufReader::new(output).lines(), port, base };
        eventually("the server", async || Connection::open(port).await.ok()).await;
        server
    }

    /// Gives it a command.
    pub(super) async fn command(&mut self, line: &str) -> Value {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let answer = until(line, self.output.next_line()).await.unwrap().expect("the server has ended");
        serde_json::from_str(&answer).unwrap()
    }

    pub(super) async fn token(&self, client: &Client) -> String {
        Connection::open(self.port).await.unwrap().token(&client.id, &client.secret, AUDIENCE).await.token()
    }

    /// The `kid`s of the JWK Set.
    pub(super) async fn kids(&self) -> Vec<String> {
        let document = get(self.port, "/.well-known/jwks.json").await.json();
        document["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the job has done what makes this true of the JWK Set.
    pub(super) async fn until_kids(&self, what: &str, is_done: impl Fn(&[String]) -> bool) {
        eventually(what, async || is_done(&self.kids().await).then_some(())).await;
    }

    /// Ends it, which it must do well.
    pub(super) async fn stop(mut self) {
        drop(self.input);
        assert!(until("the server", self.process.wait()).await.unwrap().success());
    }
}
