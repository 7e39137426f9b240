//! How counters are set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::Secret;

/// How limits are counted.
#[derive(Clone, Debug)]
pub struct CountersOptions {
    /// Most windows that are counted in this process.
    pub capacity: usize,
    /// Where several nodes count together; `None`: each process counts alone.
    pub shared: Option<SharedCounters>,
    /// Longest that a request waits for shared counters.
    pub timeout: Duration,
    /// How long shared counters are not asked after they could not be.
    pub pause: Duration,
}

/// Where several nodes count together.
#[derive(Clone, Debug)]
pub enum SharedCounters {
    /// In the database, which must be PostgreSQL.
    Database,
    /// In Valkey, or Redis.
    Valkey(ValkeyAddress),
}

/// A Valkey server and how to get in.
#[derive(Clone)]
pub struct ValkeyAddress {
    /// Host name or IP address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Number of the database.
    pub database: i64,
    /// User; `None`: the default user.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<Secret<String>>,
    /// How to verify a server that is reached by TLS; `None`: plain text.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl fmt::Debug for ValkeyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.port, self.database)
    }
}

impl Default for CountersOptions {
    fn default() -> Self {
        Self { capacity: 1_000_000, shared: None, timeout: Duration::from_millis(100), pause: Duration::from_millis(500) }
    }
}
