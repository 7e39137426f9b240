//! A Valkey, or Redis, of a test's own, on a port of loopback.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use countersign::counters::{CountersOptions, SharedCounters, ValkeyAddress};
use countersign_protocol::Secret;

/// In its output as soon as it accepts connections.
const READY: &str = "Ready to accept connections";
const PASSWORD: &str = "password-of-the-counters";

/// A server that keeps nothing when it is killed.
pub(crate) struct ValkeyServer {
    program: &'static str,
    port: u16,
    process: Option<Child>,
}

impl ValkeyServer {
    /// `None` where none is installed, except in CI, where that is a failure.
    #[expect(clippy::disallowed_methods, clippy::print_stderr, reason = "whether this is CI, and what was left out")]
    pub(crate) fn start() -> Option<Self> {
        let is_there = |program: &&str| Command::new(program).arg("--version").output().is_ok();
        let Some(program) = ["valkey-server", "redis-server"].into_iter().find(is_there) else {
            assert!(std::env::var_os("CI").is_none(), "neither valkey-server nor redis-server is installed");
            eprintln!("left out: neither valkey-server nor redis-server is installed");
            return None;
        };
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut server = Self { program, port, process: None };
        server.run();
        Some(server)
    }

    /// Starts it on its port, with nothing in it; returns once it answers.
    pub(crate) fn run(&mut self) {
        let mut command = Command::new(self.program);
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--requirepass", PASSWORD]);
        command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let log: Vec<String> = lines.by_ref().map(Result::unwrap).take_while(|line| !line.contains(READY)).collect();
        self.process = Some(process);
        assert!(self.side_door().is_ok(), "the server did not start:\n{}", log.join("\n"));
        // It may go on writing: nobody must keep it waiting.
        std::thread::spawn(move || lines.for_each(drop));
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Counters in it that are asked again after every failure.
    pub(crate) fn options(&self) -> CountersOptions {
        self.options_with(PASSWORD)
    }

    pub(crate) fn options_with(&self, password: &str) -> CountersOptions {
        Self::options_of(self.port, password)
    }

    /// The same of something else on another port.
    pub(crate) fn options_at(port: u16) -> CountersOptions {
        Self::options_of(port, PASSWORD)
    }

    fn options_of(port: u16, password: &str) -> CountersOptions {
        let address = ValkeyAddress {
            host: "127.0.0.1".to_owned(),
            port,
            database: 0,
            username: None,
            password: Some(Secret::new(password.to_owned())),
            tls: None,
        };
        CountersOptions {
            shared: Some(SharedCounters::Valkey(address)),
            // Not what these tests look at: on a busy machine, anything may take long.
            timeout: Duration::from_secs(20),
            pause: Duration::ZERO,
            ..CountersOptions::default()
        }
    }

    /// Runs a command behind the product's back.
    pub(crate) fn execute<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut asked = redis::cmd(command[0]);
        asked.arg(&command[1..]);
        asked.query(&mut self.side_door().unwrap()).unwrap()
    }

    fn side_door(&self) -> redis::RedisResult<redis::Connection> {
        redis::Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{}/0", self.port))?.get_connection()
    }
}

impl Drop for ValkeyServer {
    fn drop(&mut self) {
        self.kill();
    }
}
