//! Counters in Valkey or Redis: one script, one round trip.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, RedisError};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::ValkeyAddress;
use super::shared::Unreachable;
use crate::store::{CounterAsk, CounterWindow};

/// Before the names of the counters: others may use the same server.
const PREFIX: &str = "countersign:limit:";

/// A connection that all requests share, made again when it is lost.
pub(super) struct Valkey {
    address: ValkeyAddress,
    timeout: Duration,
    take: Script,
    give_back: Script,
    current: Mutex<Option<(u64, MultiplexedConnection)>>,
    /// One at a time connects.
    connecting: tokio::sync::Mutex<u64>,
}

struct Script {
    text: &'static str,
    /// What the server knows it by once it has seen it.
    name: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        Self { text, name: hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect() }
    }

    fn command(&self, is_known: bool, asks: &[CounterAsk], fields: fn(&CounterAsk) -> [i64; 3]) -> Cmd {
        let mut command = redis::cmd(if is_known { "EVALSHA" } else { "EVAL" });
        command.arg(if is_known { self.name.as_str() } else { self.text }).arg(asks.len());
        for ask in asks {
            command.arg(format!("{PREFIX}{}", ask.counter));
        }
        for ask in asks {
            command.arg(&fields(ask)[..]);
        }
        command
    }
}

impl Valkey {
    pub(super) fn new(address: ValkeyAddress, timeout: Duration) -> Self {
        Self {
            address,
            timeout,
            take: Script::new(include_str!("take.lua")),
            give_back: Script::new(include_str!("give_back.lua")),
            current: Mutex::new(None),
            connecting: tokio::sync::Mutex::new(0),
        }
    }

    pub(super) async fn take(&self, asks: &[CounterAsk]) -> Result<(bool, Vec<CounterWindow>), Unreachable> {
        let answer = self.run(&self.take, asks, |ask| [ask.cost, ask.limit, ask.millis]).await?;
        let malformed = || std::io::Error::new(std::io::ErrorKind::InvalidData, "an answer of another form");
        let (taken, windows) = answer.split_first().ok_or_else(malformed)?;
        let (windows, rest) = windows.as_chunks::<3>();
        if windows.len() != asks.len() || !rest.is_empty() {
            return Err(malformed().into());
        }
        let window =
            |[used, ends_in, id]: &[i64; 3]| CounterWindow { used: u64::try_from(*used).unwrap_or(0), ends_in: *ends_in, id: *id };
        Ok((*taken == 1, windows.iter().map(window).collect()))
    }

    pub(super) async fn give_back(&self, asks: &[CounterAsk]) -> Result<(), Unreachable> {
        self.run(&self.give_back, asks, |ask| [ask.cost, ask.window, 0]).await.map(drop)
    }

    /// A connection may have been lost unnoticed since the last request: then another is
    /// made at once.
    async fn run(
        &self,
        script: &Script,
        asks: &[CounterAsk],
        fields: fn(&CounterAsk) -> [i64; 3],
    ) -> Result<Vec<i64>, Unreachable> {
        let (number, connection) = self.connection(None).await?;
        match evaluate(connection, script, asks, fields).await {
            Err(error) if is_lost(&error) => {
                let (_, connection) = self.connection(Some(number)).await?;
                Ok(evaluate(connection, script, asks, fields).await?)
            }
            answer => Ok(answer?),
        }
    }

    /// The present connection, unless it is the one with this number, which is lost.
    async fn connection(&self, lost: Option<u64>) -> Result<(u64, MultiplexedConnection), Unreachable> {
        if let Some(current) = self.current(lost) {
            return Ok(current);
        }
        let mut last = self.connecting.lock().await;
        if let Some(current) = self.current(lost) {
            return Ok(current);
        }
        let connection = self.connect().await?;
        *last += 1;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some((*last, connection.clone()));
        Ok((*last, connection))
    }

    fn current(&self, lost: Option<u64>) -> Option<(u64, MultiplexedConnection)> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|(number, _)| Some(*number) != lost).cloned()
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Unreachable> {
        let address = &self.address;
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &address.tls else { return self.speak(stream).await };
        let name = ServerName::try_from(address.host.clone()).map_err(std::io::Error::other)?;
        self.speak(TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?).await
    }

    async fn speak<S>(&self, stream: S) -> Result<MultiplexedConnection, Unreachable>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut login = RedisConnectionInfo::default().set_db(self.address.database).set_skip_set_lib_name();
        if let Some(username) = &self.address.username {
            login = login.set_username(username);
        }
        if let Some(password) = &self.address.password {
            login = login.set_password(password.expose());
        }
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(self.timeout));
        let (connection, driver) = MultiplexedConnection::new_with_config(&login, stream, config).await?;
        tokio::spawn(driver);
        Ok(connection)
    }
}

async fn evaluate(
    mut connection: MultiplexedConnection,
    script: &Script,
    asks: &[CounterAsk],
    fields: fn(&CounterAsk) -> [i64; 3],
) -> Result<Vec<i64>, RedisError> {
    match script.command(true, asks, fields).query_async(&mut connection).await {
        // A server that was started anew has not seen it.
        Err(error) if error.code() == Some("NOSCRIPT") => script.command(false, asks, fields).query_async(&mut connection).await,
        answer => answer,
    }
}

fn is_lost(error: &RedisError) -> bool {
    error.is_connection_dropped() || error.is_io_error() && !error.is_timeout()
}
