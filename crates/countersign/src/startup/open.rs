//! From a configuration to an application.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use countersign_protocol::Secret;
use countersign_verify::SystemClock;

use crate::app::{App, AppParts};
use crate::config::{self, BaseUrl, Config, Disk, Environment, StorageConfig, StorageUrl};
use crate::entropy::SystemEntropy;
use crate::management;
use crate::sealing::MasterKey;
use crate::store::{ConnectOptions, Durability, Store};
use crate::timer::SystemTimer;

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

/// Builds the application that a configuration describes.
pub(crate) async fn open(config: &Config) -> anyhow::Result<Arc<App>> {
    open_at(config, config.server.base_urls.clone()).await
}

/// The same, with base URLs that are known only now.
pub(crate) async fn open_at(config: &Config, bases: Vec<BaseUrl>) -> anyhow::Result<Arc<App>> {
    let master_key = config::load_master_key(&config.keys, &Disk)?;
    let master_key = MasterKey::new(&Secret::new(master_key.expose().to_vec()))?;
    let store = Store::open(connect_options(&config.storage)).await.context("cannot open the database")?;
    let parts = AppParts {
        store,
        master_key,
        timer: Arc::new(SystemTimer::new(Arc::new(SystemClock))),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        bases,
        trusted_proxies: config.server.trusted_proxies.clone(),
        backdate_seconds: config.tokens.backdate_seconds.into(),
        budgets: config.budgets,
        client_cache_capacity: config.cache.clients,
        signing_threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    let app = App::start(parts).await?;
    management::ensure_resource_server(&app).await?;
    Ok(app)
}

pub(crate) fn connect_options(storage: &StorageConfig) -> ConnectOptions {
    match &storage.url {
        StorageUrl::Sqlite { path } => ConnectOptions::Sqlite { path: path.clone(), durability: Durability::PowerLoss },
        StorageUrl::Postgres { url } => ConnectOptions::Postgres {
            address: url.clone(),
            password: storage.password.clone(),
            max_connections: storage.max_connections,
            timeout: storage.timeout,
            listen: storage.listen,
        },
    }
}
