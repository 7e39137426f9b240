//! The configuration: defaults, `countersign.toml`, environment and flags.
//!
//! One table of settings ([`SECTIONS`]) says what exists. The layers
//! (`file.rs`, `env.rs`, `flags.rs`) find values and their places; each section
//! reads its values into a typed struct; every error is collected.

mod acme;
mod base_url;
mod budgets;
mod cache;
mod counters;
mod credentials;
mod env;
mod error;
mod file;
mod files;
mod flags;
mod given;
mod imported_keys;
mod keys;
mod leak_reports;
mod load;
mod log;
mod metrics;
mod named_file;
mod network;
mod outbound;
mod place;
mod provenance;
mod reader;
mod reference;
mod refusals;
mod server;
mod setting;
mod signing_keys;
mod storage;
mod storage_url;
mod suggest;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tls;
mod tokens;
mod traces;
mod trusted_proxies;
mod usage;

pub use acme::AcmeConfig;
pub use base_url::BaseUrl;
pub use budgets::BudgetsConfig;
pub use cache::CacheConfig;
pub use counters::{CountersBackend, CountersConfig, ValkeyUrl};
pub use credentials::CredentialsConfig;
pub use env::{Environment, ProcessEnvironment};
pub use error::{ConfigError, ConfigErrors};
pub use files::{Disk, FileContent, Files};
pub use flags::{InvalidFlag, split_flag};
pub use imported_keys::ImportedKeysConfig;
pub use keys::{KeysConfig, MASTER_KEY_LENGTH, MasterKeyBytes, MasterKeySource, load_master_key};
pub use leak_reports::LeakReportsConfig;
pub use load::{ConfigFile, DEFAULT_FILE, Loaded, Sources, load};
pub use log::{LogConfig, LogFormat, LogLevel};
pub use metrics::MetricsConfig;
pub use named_file::NamedFile;
pub use network::Network;
pub use outbound::OutboundConfig;
pub use place::{Layer, Place};
pub use provenance::{Origin, Provenance};
pub use reference::reference_markdown;
pub use refusals::RefusalsConfig;
pub use server::ServerConfig;
pub(crate) use setting::variable_of;
pub use setting::{Fallback, Kind, SECTIONS, Section, Setting};
pub use signing_keys::SigningKeysConfig;
pub use storage::{StorageConfig, StorageUrl};
pub use tls::{CertificateFiles, CertificateSource, TlsConfig};
pub use tokens::{MAX_BACKDATE_SECONDS, TokensConfig};
pub use traces::{Ratio, TracesConfig};
pub use trusted_proxies::TrustedProxies;
pub use usage::UsageConfig;

/// A checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Listeners and base URLs.
    pub server: ServerConfig,
    /// Listeners that speak TLS, if any.
    pub tls: Option<TlsConfig>,
    /// The database.
    pub storage: StorageConfig,
    /// The master key.
    pub keys: KeysConfig,
    /// What holds for every token.
    pub tokens: TokensConfig,
    /// Requests that the server makes itself.
    pub outbound: OutboundConfig,
    /// What holds for the credentials of clients.
    pub credentials: CredentialsConfig,
    /// What is logged and how.
    pub log: LogConfig,
    /// What is kept in memory.
    pub cache: CacheConfig,
    /// How signing keys are looked after.
    pub signing_keys: SigningKeysConfig,
    /// How much one client and one source address may ask for.
    pub budgets: BudgetsConfig,
    /// Where limits of API keys are counted.
    pub counters: CountersConfig,
    /// How many explanations of refusals are kept, and for how long.
    pub refusals: RefusalsConfig,
    /// How long counters of what clients do are kept.
    pub usage: UsageConfig,
    /// How API keys are compared that another system hashed.
    pub imported_keys: ImportedKeysConfig,
    /// Whether and how reports of leaked keys are taken.
    pub leak_reports: LeakReportsConfig,
    /// The listener for scrapes.
    pub metrics: MetricsConfig,
    /// Where traces go.
    pub traces: TracesConfig,
}
