//! `countersign dev`: everything on loopback, with demo objects that are made by
//! the same use-cases as any others.

mod demo_api;
mod env_file;
mod folder;
mod objects;
mod suggestions;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::time::Instant;

use crate::config::{self, BaseUrl, Config, ConfigFile, Disk, Loaded, Place, ProcessEnvironment, Sources};
use crate::entropy::SystemEntropy;
use crate::http::{Listeners, ServeOptions, bind, serve};
use crate::log;
use crate::master_key_file;
use crate::startup::{data_folder_settings, open_at, serve_app, stop_signal};
use crate::traces::Traces;

pub(crate) use env_file::EnvFile;
use folder::DataFolder;
use objects::DemoObjects;
use suggestions::Facts;

/// Where `dev` keeps its data unless told otherwise.
pub(crate) const DEFAULT_DATA: &str = ".countersign";
/// The server's port unless told otherwise.
pub(crate) const DEFAULT_PORT: u16 = 8787;
/// The port for metrics while the server has its own.
const METRICS_PORT: u16 = 9787;
/// The demo API's port while the server has its own.
const DEMO_API_PORT: u16 = 8788;

/// How to start.
#[derive(Debug)]
pub(crate) struct DevOptions {
    pub(crate) port: u16,
    pub(crate) data: PathBuf,
    pub(crate) ephemeral: bool,
    pub(crate) env_file: Option<PathBuf>,
}

/// Starts everything, announces what there is and what to try, and serves until
/// told to stop.
pub(crate) async fn run(options: DevOptions, announce: impl FnOnce(&Value, &str)) -> anyhow::Result<()> {
    let started = Instant::now();
    let folder = DataFolder::open(&options.data, options.ephemeral)?;
    let env_path = options.env_file.unwrap_or_else(|| folder.path().join(EnvFile::NAME));
    if !EnvFile::may_replace(&env_path) {
        bail!("{} exists and is not an env file of `countersign dev`: name another with --env-file", env_path.display());
    }
    let config = load_config(&folder)?;
    let traces = Traces::start(&config.traces).context("traces.endpoint cannot be used")?;
    log::start(log::Format::Text, config.log.level.as_str(), traces.as_ref());

    let (server, demo) = listen(options.port).await?;
    let metrics = listen_for_scrapes(options.port, &config).await?;
    let base = BaseUrl::local(server.port().context("the server has no port")?);
    let demo_url = BaseUrl::local(demo.port().context("the demo API has no port")?);
    let metrics_url = metrics_url(&metrics)?;
    let app = open_at(&config, vec![base.clone()]).await?;
    let previous = EnvFile::read(&env_path).ok();
    let demo_objects = {
        let known = |name| previous.as_ref().and_then(|file| file.find(name));
        objects::ensure(&app, known("CLIENT_SECRET"), known("MGMT_CLIENT_SECRET")).await?
    };

    let stop = stop_signal(Arc::clone(&app)).context("cannot wait for signals")?;
    let demo_router = demo_api::router(&base)?;
    let serve_options = ServeOptions { header_timeout: config.server.header_timeout, drain_timeout: config.server.drain_timeout };
    let demo_api = tokio::spawn(serve(demo, demo_router, serve_options, stop.clone()));

    // Its appearance tells scripts that everything listens.
    env_file(&base, &demo_url, &metrics_url, &demo_objects)
        .write(&env_path)
        .with_context(|| format!("cannot write {}", env_path.display()))?;
    let facts = Facts {
        base: &base,
        demo_url: &demo_url,
        metrics_url: &metrics_url,
        env_path: &env_path,
        is_default_env: env_path == PathBuf::from(DEFAULT_DATA).join(EnvFile::NAME),
        started_in_ms: started.elapsed().as_millis(),
    };
    announce(&facts.to_json(), &facts.to_text());

    serve_app(app, server, metrics, &config, stop).await?;
    // It was told to stop at the same moment.
    let _ = demo_api.await;
    if let Some(traces) = traces {
        traces.stop().await;
    }
    Ok(())
}

fn load_config(folder: &DataFolder) -> anyhow::Result<Config> {
    let settings = data_folder_settings(folder.path(), &ProcessEnvironment)?;
    let sources = Sources { file: ConfigFile::Nowhere, environment: &ProcessEnvironment, flags: &settings, files: &Disk };
    let Loaded { config, provenance } = config::load(&sources)?;
    for key in ["server.listen", "server.base_urls"] {
        if provenance.of(key).is_some_and(|origin| origin.place != Place::Default) {
            bail!("`dev` listens on loopback and chooses its base URL: unset {}, or use `serve`", config::variable_of(key));
        }
    }
    if let Some(path) = config.keys.master_key_file() {
        master_key_file::create_if_missing(path, &SystemEntropy).with_context(|| format!("cannot create {}", path.display()))?;
    }
    Ok(config)
}

/// The server has the port that was asked for; the demo API has its usual one
/// only beside the server's usual one.
async fn listen(port: u16) -> anyhow::Result<(Listeners, Listeners)> {
    let demo_port = if port == DEFAULT_PORT { DEMO_API_PORT } else { 0 };
    let hint = "is another `countersign dev` running? `--port 0` finds free ports";
    let server = Listeners::loopback(port).await.context(hint)?;
    let demo = Listeners::loopback(demo_port).await.context(hint)?;
    Ok((server, demo))
}

/// Where the settings say, else on the usual port beside the server's usual one.
async fn listen_for_scrapes(server_port: u16, config: &Config) -> anyhow::Result<Listeners> {
    if !config.metrics.listen.is_empty() {
        return Ok(bind(&config.metrics.listen).await?);
    }
    let port = if server_port == DEFAULT_PORT { METRICS_PORT } else { 0 };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    bind(&[address]).await.context("is another `countersign dev` running? `--port 0` finds free ports")
}

fn metrics_url(metrics: &Listeners) -> anyhow::Result<String> {
    let listener = metrics.0.first().context("there is no listener for metrics")?;
    Ok(format!("http://{}/metrics", listener.local_addr()?))
}

fn env_file(base: &BaseUrl, demo_url: &BaseUrl, metrics_url: &str, demo: &DemoObjects) -> EnvFile {
    let secret = demo.client_secret.expose().as_str();
    EnvFile::new([
        ("BASE_URL", base.as_str()),
        ("ROOT_ISSUER", &format!("{base}/")),
        ("ISSUER", &format!("{base}/oauth2/default")),
        ("AUDIENCE", objects::AUDIENCE),
        ("OKTA_AS", "default"),
        ("OKTA_AUDIENCE", objects::OKTA_AUDIENCE),
        ("SCOPE", objects::LIST_USERS),
        ("DEFAULT_SCOPE", objects::LIST_USERS),
        ("CLIENT_ID", objects::CLIENT_ID),
        ("CLIENT_SECRET", secret),
        ("TEST_CLIENT_ID", objects::CLIENT_ID),
        ("TEST_CLIENT_SECRET", secret),
        ("MANAGEMENT_URL", &format!("{base}/manage/v1")),
        ("MGMT_CLIENT_ID", objects::OPERATOR_ID),
        ("MGMT_CLIENT_SECRET", demo.operator_secret.expose()),
        ("DEMO_API_URL", demo_url.as_str()),
        ("METRICS_URL", metrics_url),
    ])
}
