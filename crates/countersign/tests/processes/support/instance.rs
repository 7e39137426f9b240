//! An instance: its settings, the command line that works on it, its servers.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use super::http::{self, Connection, Reply};
use super::{BINARY, Database, Finished, Process, command, run};

/// The audience of the resource server that [`Instance::client`] makes.
pub(crate) const AUDIENCE: &str = "https://api.test";

/// A folder with a configuration; servers and commands run on it.
pub(crate) struct Instance {
    folder: TempDir,
    settings: Vec<String>,
    environment: Vec<(String, String)>,
    /// Who manages it, once it is set up.
    operator: Option<Client>,
}

/// A client and its secret.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Instance {
    /// An instance on SQLite in a folder of its own, not set up yet.
    pub(crate) fn sqlite() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), settings: Vec::new(), environment: Vec::new(), operator: None }
    }

    /// An instance on a PostgreSQL database, not set up yet.
    pub(crate) fn postgres(database: &Database) -> Self {
        let settings = vec![format!("storage.url={}", database.url), "keys.master_key_file=master.key".to_owned()];
        let environment = vec![("COUNTERSIGN__STORAGE__PASSWORD".to_owned(), database.password.clone())];
        Self { folder: tempfile::tempdir().unwrap(), settings, environment, operator: None }
    }

    /// An instance on a PostgreSQL that lets it in without a password.
    pub(crate) fn postgres_at(url: &str) -> Self {
        Self::sqlite().with(&format!("storage.url={url}")).with("keys.master_key_file=master.key")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The database file of an instance on SQLite.
    pub(crate) fn database_file(&self) -> PathBuf {
        self.folder().join("countersign.db")
    }

    /// The command `countersign` with this instance's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = command(BINARY, self.folder());
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command without this instance's settings.
    pub(crate) async fn bare(&self, arguments: &[&str]) -> Finished {
        run(&mut self.command(arguments)).await
    }

    /// Runs a command on this instance.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Finished {
        run(self.command(arguments).args(self.flags(&[]))).await
    }

    /// Runs a command on this instance that must print JSON.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        run(self.command(arguments).arg("--json").args(self.flags(&[]))).await.json()
    }

    /// The same instance with another setting.
    pub(crate) fn with(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    /// The same instance with a variable in the environment of its processes.
    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the instance up.
    pub(crate) async fn init(mut self) -> Self {
        self.operator = Some(Client::created(&self.json(&["init"]).await));
        self
    }

    /// A resource server and a client with a grant for its scope `list:users`, made
    /// through a server that runs for as long as that takes.
    pub(crate) async fn client(&self, id: &str) -> Client {
        let mut server = self.serve(&[]).await;
        let client = server.client(id).await;
        server.process.stop().await;
        client
    }

    /// Starts a server of this instance whose base URL is that of `port`, unless the
    /// settings name several.
    pub(crate) async fn serve_as(&self, port: u16, listen: u16, settings: &[&str]) -> Server {
        let own = [format!("server.listen=127.0.0.1:{listen}"), format!("server.base_urls=http://localhost:{port}")];
        let has_bases = settings.iter().any(|setting| setting.starts_with("server.base_urls="));
        let settings: Vec<&str> =
            own.iter().map(String::as_str).take(if has_bases { 1 } else { 2 }).chain(settings.iter().copied()).collect();
        let mut process = Process::start(self.command(&["serve"]).args(self.flags(&settings)));
        process.prints("\"message\":\"ready\"").await;
        self.server(process, port, listen)
    }

    /// Starts a server on a socket that outlives it.
    pub(crate) async fn serve_on(&self, socket: &TcpListener, settings: &[&str]) -> Server {
        let address = socket.local_addr().unwrap();
        let own = [format!("server.listen={address}"), format!("server.base_urls=http://localhost:{}", address.port())];
        let own: Vec<&str> = own.iter().map(String::as_str).chain(settings.iter().copied()).collect();
        let mut process = self.start_on(socket, &own);
        process.prints("\"message\":\"ready\"").await;
        self.server(process, address.port(), address.port())
    }

    /// Starts a server that is handed a socket, with exactly these settings besides the
    /// instance's own.
    pub(crate) fn start_on(&self, socket: &TcpListener, settings: &[&str]) -> Process {
        const HAND_OVER: &str = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"";
        let mut shell = command("/bin/sh", self.folder());
        shell.args(["-c", HAND_OVER, "sh", BINARY, "serve"]).args(self.flags(settings));
        shell.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Process::start(shell.stdin(OwnedFd::from(socket.try_clone().unwrap())))
    }

    fn server(&self, process: Process, port: u16, listen: u16) -> Server {
        let base = format!("http://localhost:{port}");
        let mut environment = self.environment.clone();
        if let Some(Client { id, secret }) = &self.operator {
            let url = format!("{base}/manage/v1");
            let own = [("COUNTERSIGN_MANAGEMENT_URL", &url), ("COUNTERSIGN_CLIENT_ID", id), ("COUNTERSIGN_CLIENT_SECRET", secret)];
            environment.extend(own.map(|(name, value)| (name.to_owned(), value.clone())));
        }
        Server { process, port: listen, base, folder: self.folder().to_owned(), environment }
    }

    /// Starts a server with exactly these settings besides the instance's own.
    pub(crate) fn start(&self, settings: &[&str]) -> Process {
        Process::start(self.command(&["serve"]).args(self.flags(settings)))
    }

    /// Starts a server of this instance.
    pub(crate) async fn serve(&self, settings: &[&str]) -> Server {
        let port = free_port();
        self.serve_as(port, port, settings).await
    }

    /// A setting of the instance gives way to one of the same name.
    pub(crate) fn flags(&self, more: &[&str]) -> Vec<String> {
        let name = |setting: &str| setting.split_once('=').map(|(name, _)| name.to_owned());
        self.settings
            .iter()
            .map(String::as_str)
            .filter(|own| !more.iter().any(|set| name(set) == name(own)))
            .chain(more.iter().copied())
            .flat_map(|set| ["--set".to_owned(), set.to_owned()])
            .collect()
    }
}

impl Client {
    /// The client that a command created.
    #[track_caller]
    pub(crate) fn created(printed: &Value) -> Self {
        let member = |name: &str| printed[name].as_str().unwrap_or_else(|| panic!("no {name} in {printed}")).to_owned();
        Self { id: member("client_id"), secret: member("client_secret") }
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) port: u16,
    pub(crate) base: String,
    folder: PathBuf,
    environment: Vec<(String, String)>,
}

impl Server {
    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.port).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        http::get(self.port, path).await
    }

    /// A token request on a connection of its own.
    pub(crate) async fn token(&self, client: &Client) -> Reply {
        self.connect().await.token(&client.id, &client.secret, AUDIENCE).await
    }

    /// The command line as the operator of the instance, at the base URL of this server.
    pub(crate) fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = command(BINARY, &self.folder);
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command through this server.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Finished {
        run(&mut self.command(arguments)).await
    }

    /// Runs a command through this server that must print JSON.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        run(self.command(arguments).arg("--json")).await.json()
    }

    /// A client without grants.
    pub(crate) async fn client_named(&self, id: &str) -> Client {
        Client::created(&self.json(&["client", "create", "a client", "--id", id]).await)
    }

    /// The `Authorization` of the operator.
    pub(crate) async fn operator_token(&self) -> String {
        let value = |name: &str| self.environment.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str()).unwrap();
        let (id, secret) = (value("COUNTERSIGN_CLIENT_ID"), value("COUNTERSIGN_CLIENT_SECRET"));
        let reply = self.connect().await.token(id, secret, value("COUNTERSIGN_MANAGEMENT_URL")).await;
        format!("Bearer {}", reply.token())
    }

    /// A resource server, and a client with a grant for its scope `list:users`.
    pub(crate) async fn client(&self, id: &str) -> Client {
        self.run(&["resource-server", "create", AUDIENCE, "--scope", "list:users"]).await.success();
        let client = self.client_named(id).await;
        self.run(&["grant", "create", id, AUDIENCE]).await.success();
        client
    }
}

/// A port that is free now, from below the range from which the system takes the
/// ports of outgoing connections.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 100).unwrap() * 100;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 2_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
