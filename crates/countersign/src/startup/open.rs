//! From a configuration to an application.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use countersign_protocol::{Clock, Secret};
use countersign_verify::SystemClock;

use crate::app::{App, AppParts};
use crate::config::{
    self, BaseUrl, CertificateSource, Config, CountersBackend, CountersConfig, Disk, Environment, KeysConfig, LeakReportsConfig,
    MasterKeySource, NamedFile, OutboundConfig, StorageConfig, StorageUrl,
};
use crate::counters::{CountersOptions, SharedCounters, ValkeyAddress};
use crate::entropy::SystemEntropy;
use crate::leak_reports::{LeakReports, ReporterKeys};
use crate::management;
use crate::outbound::{Outbound, OutboundOptions};
use crate::sealing::MasterKey;
use crate::store::{ConnectOptions, Durability, Store};
use crate::timer::SystemTimer;
use crate::tls::{Reloader, public_roots, tls_config};

/// The settings under which `dev` keeps its data in a folder. What the environment
/// says of the database or the master key wins: `dev` can run on PostgreSQL too.
pub(crate) fn data_folder_settings(data: &Path, environment: &dyn Environment) -> anyhow::Result<Vec<(String, String)>> {
    let text = |path: PathBuf| path.into_os_string().into_string().ok().context("the data folder's path is not UTF-8");
    let variables = environment.variables();
    let is_set = |key: &str| variables.iter().any(|(name, _)| *name == *config::variable_of(key));
    let mut settings = Vec::new();
    if !is_set("storage.url") {
        settings.push(("storage.url".to_owned(), format!("sqlite:{}", text(data.join("countersign.db"))?)));
    }
    if !is_set("keys.master_key") && !is_set("keys.master_key_file") {
        settings.push(("keys.master_key_file".to_owned(), text(data.join("master.key"))?));
    }
    Ok(settings)
}

/// Reads and checks the certificates that a configuration names.
pub(crate) fn check_files(config: &Config) -> anyhow::Result<()> {
    let outbound = outbound(&config.outbound)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    leak_reports(&config.leak_reports, &outbound, &clock)?;
    connect_options(&config.storage)?;
    counters_options(&config.counters)?;
    match config.tls.as_ref().map(|tls| &tls.certificate) {
        Some(CertificateSource::Files { files, .. }) => drop(Reloader::start(files.clone(), &Disk, SystemClock.now())?),
        Some(CertificateSource::Acme(acme)) => {
            acme.directory_ca_file.as_ref().map(|file| file.read_certificates(&Disk)).transpose()?;
        }
        None => {}
    }
    Ok(())
}

/// Builds the application that a configuration describes.
pub(crate) async fn open(config: &Config) -> anyhow::Result<Arc<App>> {
    // Those that callers elsewhere use come first.
    let secure = config.tls.iter().flat_map(|tls| tls.base_urls.iter());
    open_at(config, secure.chain(&config.server.base_urls).cloned().collect()).await
}

/// The same, with base URLs that are known only now.
pub(crate) async fn open_at(config: &Config, bases: Vec<BaseUrl>) -> anyhow::Result<Arc<App>> {
    open_on_clock(config, bases, Arc::new(SystemClock)).await
}

/// The same on another clock than the machine's. For tests.
///
/// # Errors
/// What stands in the way of opening the instance.
pub async fn open_on_clock(config: &Config, bases: Vec<BaseUrl>, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<App>> {
    let app = build(config, bases, clock).await?;
    management::ensure_resource_server(&app).await?;
    Ok(app)
}

/// For a single command beside servers, whose base URLs it may not know: the audience
/// of the management API stays as it is.
pub(crate) async fn open_beside(config: &Config) -> anyhow::Result<Arc<App>> {
    build(config, config.server.base_urls.clone(), Arc::new(SystemClock)).await
}

async fn build(config: &Config, bases: Vec<BaseUrl>, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<App>> {
    let master_key = configured_master_key(&config.keys)?;
    let outbound = outbound(&config.outbound)?;
    let store = open_store(config).await?;
    let parts = AppParts {
        store,
        master_key,
        timer: Arc::new(SystemTimer::new(Arc::clone(&clock))),
        clock: Arc::clone(&clock),
        entropy: Arc::new(SystemEntropy),
        bases,
        trusted_proxies: config.server.trusted_proxies.clone(),
        backdate_seconds: config.tokens.backdate_seconds.into(),
        reuse_min_life_percent: config.tokens.reuse_min_life_percent,
        budgets: config.budgets,
        counters: counters_options(&config.counters)?,
        refusals: config.refusals,
        usage: config.usage,
        client_cache_capacity: config.cache.clients,
        api_key_cache_capacity: config.cache.api_keys,
        hash_threads: config.imported_keys.hash_threads,
        leak_reports: leak_reports(&config.leak_reports, &outbound, &clock)?,
        signing_threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        outbound,
    };
    Ok(App::start(parts).await?)
}

/// The database that a configuration names, its schema up to date.
pub(crate) async fn open_store(config: &Config) -> anyhow::Result<Store> {
    Store::open(connect_options(&config.storage)?).await.context("cannot open the database")
}

/// The master key that a configuration names, with the one before it if it names that.
pub(crate) fn configured_master_key(keys: &KeysConfig) -> anyhow::Result<MasterKey> {
    let key = load_master_key(&keys.master_key)?;
    match &keys.previous_master_key {
        Some(previous) => Ok(key.or_previous(&load_master_key(previous)?)),
        None => Ok(key),
    }
}

/// A master key, ready for use.
pub(crate) fn load_master_key(source: &MasterKeySource) -> anyhow::Result<MasterKey> {
    let bytes = config::load_master_key(source, &Disk)?;
    Ok(MasterKey::new(&Secret::new(bytes.expose().to_vec()))?)
}

/// How reports of leaked keys are taken.
fn leak_reports(config: &LeakReportsConfig, outbound: &Outbound, clock: &Arc<dyn Clock>) -> anyhow::Result<Option<LeakReports>> {
    let Some(policy) = config.policy else { return Ok(None) };
    let keys = match &config.public_keys_file {
        Some(file) => {
            let content = file.read(&Disk)?;
            ReporterKeys::given(content.text.expose().as_bytes()).map_err(|error| file.wrong(format!("is not used: {error}")))?
        }
        None => ReporterKeys::at(&config.public_keys_url, outbound.fetch(), Arc::clone(clock))?,
    };
    Ok(Some(LeakReports { keys, policy }))
}

/// The client for requests of our own that a configuration describes.
fn outbound(config: &OutboundConfig) -> anyhow::Result<Outbound> {
    let extra_roots = config.ca_file.as_ref().map(|file| file.read_certificates(&Disk)).transpose()?.unwrap_or_default();
    let options = OutboundOptions { extra_roots, allow_private_addresses: config.allow_private_addresses };
    match (Outbound::new(&options), &config.ca_file) {
        (Ok(outbound), _) => Ok(outbound),
        (Err(error), Some(file)) => Err(file.wrong(format!("holds a certificate that cannot be trusted: {error}")).into()),
        (Err(error), None) => Err(error.into()),
    }
}

pub(crate) fn connect_options(storage: &StorageConfig) -> anyhow::Result<ConnectOptions> {
    Ok(match &storage.url {
        StorageUrl::Sqlite { path } => ConnectOptions::Sqlite { path: path.clone(), durability: Durability::PowerLoss },
        StorageUrl::Postgres { url, tls } => ConnectOptions::Postgres {
            address: url.clone(),
            tls: if *tls { Some(tls_to(storage.ca_file.as_ref())?) } else { None },
            password: storage.password.clone(),
            max_connections: storage.max_connections,
            timeout: storage.timeout,
            listen: storage.listen,
        },
    })
}

/// Where limits are counted.
fn counters_options(config: &CountersConfig) -> anyhow::Result<CountersOptions> {
    let shared = match &config.backend {
        CountersBackend::Process => None,
        CountersBackend::Database => Some(SharedCounters::Database),
        CountersBackend::Valkey { url, password, ca_file } => Some(SharedCounters::Valkey(ValkeyAddress {
            host: url.host.clone(),
            port: url.port,
            database: url.database,
            username: url.username.clone(),
            password: password.clone(),
            tls: if url.tls { Some(tls_to(ca_file.as_ref())?) } else { None },
        })),
    };
    Ok(CountersOptions { capacity: config.capacity, timeout: config.timeout, shared, ..CountersOptions::default() })
}

/// How a server's certificate is verified: by these authorities only, or by Mozilla's.
fn tls_to(ca_file: Option<&NamedFile>) -> anyhow::Result<Arc<rustls::ClientConfig>> {
    let Some(file) = ca_file else { return Ok(Arc::new(tls_config(public_roots())?)) };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in file.read_certificates(&Disk)? {
        roots.add(certificate).map_err(|error| file.wrong(format!("holds a certificate that cannot be trusted: {error}")))?;
    }
    Ok(Arc::new(tls_config(roots)?))
}
