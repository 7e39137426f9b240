//! From the layers to a [`Config`].

use std::io;
use std::path::{Path, PathBuf};

use super::env::{self, Environment};
use super::error::{ConfigError, ConfigErrors};
use super::files::Files;
use super::given::Given;
use super::place::Place;
use super::provenance::Provenance;
use super::reader::Reader;
use super::{
    BudgetsConfig, CacheConfig, Config, CountersConfig, CredentialsConfig, ImportedKeysConfig, KeysConfig, LeakReportsConfig,
    LogConfig, MetricsConfig, OutboundConfig, RefusalsConfig, ServerConfig, SigningKeysConfig, StorageConfig, TlsConfig,
    TokensConfig, TracesConfig, UsageConfig,
};
use super::{file, flags};

/// Name of the configuration file that is read when none is named.
pub const DEFAULT_FILE: &str = "countersign.toml";

/// What a configuration is loaded from.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The configuration file.
    pub file: ConfigFile<'a>,
    /// The environment.
    pub environment: &'a dyn Environment,
    /// Keys and values of `--set`, see [`super::split_flag`].
    pub flags: &'a [(String, String)],
    /// Where files are read.
    pub files: &'a dyn Files,
}

/// Which configuration file is read.
#[derive(Clone, Copy, Debug)]
pub enum ConfigFile<'a> {
    /// This one if it exists.
    IfPresent(&'a Path),
    /// This one; it is an error if it does not exist.
    Named(&'a Path),
    /// None.
    Nowhere,
}

/// A configuration that was loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Where each value comes from.
    pub provenance: Provenance,
}

/// Loads the configuration: defaults, under the file, under the environment,
/// under the flags.
///
/// # Errors
/// Everything that is wrong in any layer.
pub fn load(sources: &Sources<'_>) -> Result<Loaded, ConfigErrors> {
    let (folder, file_layer) = file_layer(sources);
    let mut reader = Reader::new(sources.files, folder);
    reader.add(file_layer);
    reader.add(env::read(sources.environment));
    reader.add(flags::read(sources.flags));
    let config = read_sections(&mut reader);
    let (provenance, errors) = reader.finish();
    match config {
        Some(config) if errors.is_empty() => Ok(Loaded { config, provenance }),
        _ => Err(ConfigErrors(errors)),
    }
}

fn read_sections(reader: &mut Reader<'_>) -> Option<Config> {
    let server = ServerConfig::read(reader);
    let tls = TlsConfig::read(reader).accepted();
    let database = StorageConfig::read_url(reader);
    let storage = StorageConfig::read(reader, database.clone());
    let keys = KeysConfig::read(reader, database.as_ref());
    let tokens = TokensConfig::read(reader);
    let credentials = CredentialsConfig::read(reader);
    let outbound = OutboundConfig::read(reader);
    let log = LogConfig::read(reader);
    let cache = CacheConfig::read(reader);
    let signing_keys = SigningKeysConfig::read(reader);
    let budgets = BudgetsConfig::read(reader);
    let counters = CountersConfig::read(reader, database.as_ref());
    let refusals = RefusalsConfig::read(reader);
    let usage = UsageConfig::read(reader);
    let imported_keys = ImportedKeysConfig::read(reader);
    let leak_reports = LeakReportsConfig::read(reader);
    let metrics = MetricsConfig::read(reader);
    let traces = TracesConfig::read(reader);
    Some(Config {
        server: server?,
        tls: tls?,
        storage: storage?,
        keys: keys?,
        tokens: tokens?,
        credentials: credentials?,
        outbound: outbound?,
        log: log?,
        cache: cache?,
        signing_keys: signing_keys?,
        budgets: budgets?,
        counters: counters?,
        refusals: refusals?,
        usage: usage?,
        imported_keys: imported_keys?,
        leak_reports: leak_reports?,
        metrics,
        traces: traces?,
    })
}

/// The folder and the values of the configuration file.
fn file_layer(sources: &Sources<'_>) -> (PathBuf, (Vec<Given>, Vec<ConfigError>)) {
    let (path, is_optional) = match sources.file {
        ConfigFile::IfPresent(path) => (path, true),
        ConfigFile::Named(path) => (path, false),
        ConfigFile::Nowhere => return Default::default(),
    };
    let name = path.display().to_string();
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    match sources.files.read(path) {
        Ok(content) => (folder, file::read(&name, content.text.expose())),
        Err(error) if is_optional && error.kind() == io::ErrorKind::NotFound => Default::default(),
        Err(error) => {
            let error = ConfigError::without_key(
                Place::WholeFile { path: name },
                format!("the configuration file cannot be read: {error}"),
            );
            (folder, (Vec::new(), vec![error]))
        }
    }
}
