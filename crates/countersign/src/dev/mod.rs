//! `countersign dev`: everything on loopback, with demo objects that are made by
//! the same use-cases as any others.

mod certificate;
mod demo_api;
mod env_file;
mod folder;
mod objects;
mod root_key;
mod suggestions;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use countersign_protocol::Clock as _;
use countersign_verify::SystemClock;
use serde_json::Value;
use tokio::time::Instant;

use crate::config::{self, BaseUrl, Config, ConfigFile, Disk, Loaded, Place, ProcessEnvironment, Sources};
use crate::entropy::SystemEntropy;
use crate::http::{Listeners, ServeOptions, bind, serve};
use crate::log;
use crate::master_key_file;
use crate::profiles::{self, ManagementUrl, Profile, ProfileFile};
use crate::startup::{
    HandshakeLimits, SecureListeners, ServerListeners, data_folder_settings, open_at, serve_app, stop_signal, terms,
};
use crate::tls::CurrentCertificate;
use crate::traces::Traces;

pub(crate) use env_file::EnvFile;
use folder::DataFolder;
use objects::DemoObjects;
use suggestions::Facts;

/// Where `dev` keeps its data unless told otherwise.
pub(crate) const DEFAULT_DATA: &str = ".countersign";
/// The server's port unless told otherwise.
pub(crate) const DEFAULT_PORT: u16 = 8787;
/// The server's port for TLS while it has its own for plain HTTP.
const TLS_PORT: u16 = 8443;
/// The port for metrics while the server has its own.
const METRICS_PORT: u16 = 9787;
/// The demo API's port while the server has its own.
const DEMO_API_PORT: u16 = 8788;

/// How to start.
#[derive(Debug)]
pub(crate) struct DevOptions {
    pub(crate) port: u16,
    pub(crate) tls: bool,
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

    let Sockets { plain, secure, demo, metrics } = Sockets::bind(options.port, options.tls, &config.metrics.listen).await?;
    let base = BaseUrl::local(plain.port().context("the server has no port")?);
    let demo_url = BaseUrl::local(demo.port().context("the demo API has no port")?);
    let metrics_url = metrics_url(&metrics)?;
    let https = match secure {
        Some(listeners) => Some(Https::prepare(listeners, folder.path(), &base)?),
        None => None,
    };
    let bases = [Some(&base), https.as_ref().map(|https| &https.url)];
    let app = open_at(&config, bases.into_iter().flatten().cloned().collect()).await?;
    let previous = EnvFile::read(&env_path).ok();
    let demo_objects = {
        let known = |name| previous.as_ref().and_then(|file| file.find(name));
        objects::ensure(
            &app,
            known("CLIENT_SECRET"),
            known("MGMT_CLIENT_SECRET"),
            known("UNKEY_ROOT_KEY"),
            known("STATUS_CLIENT_SECRET"),
        )
        .await?
    };

    let stop = stop_signal(Arc::clone(&app)).context("cannot wait for signals")?;
    let demo_router = demo_api::router(&base, &app.outbound, demo_objects.status_secret.expose())?;
    let serve_options = ServeOptions::configured(&config.server);
    let demo_api = tokio::spawn(serve(demo, demo_router, serve_options, stop.clone()));

    let has_profile = keep_profile(&base, &demo_objects);
    // Its appearance tells scripts that everything listens.
    env_file(&base, &demo_url, &metrics_url, &demo_objects, https.as_ref())
        .write(&env_path)
        .with_context(|| format!("cannot write {}", env_path.display()))?;
    let facts = Facts {
        base: &base,
        demo_url: &demo_url,
        metrics_url: &metrics_url,
        https: https.as_ref(),
        env_path: &env_path,
        is_default_env: env_path == PathBuf::from(DEFAULT_DATA).join(EnvFile::NAME),
        has_profile,
        started_in_ms: started.elapsed().as_millis(),
    };
    announce(&facts.to_json(), &facts.to_text());

    let listeners = ServerListeners { plain, secure: https.map(|https| https.secure), metrics };
    serve_app(app, listeners, &config, stop).await?;
    // It was told to stop at the same moment.
    let _ = demo_api.await;
    if let Some(traces) = traces {
        traces.stop().await;
    }
    Ok(())
}

/// The command line works without being told where the server is. Where it cannot be
/// kept, such as without a home folder, everything else works still.
fn keep_profile(base: &BaseUrl, demo: &DemoObjects) -> bool {
    let kept = ManagementUrl::of_base(base.as_str()).and_then(|management_url| {
        let profile = Profile {
            management_url,
            client_id: objects::OPERATOR_ID.to_owned(),
            client_secret: demo.operator_secret.clone(),
            ca_file: None,
        };
        profiles::change(&ProfileFile::path(&ProcessEnvironment)?, |file| {
            file.add(profiles::DEV, profile);
            Ok(())
        })
    });
    if let Err(error) = &kept {
        tracing::warn!(error = %log::chain(error), "the profile `dev` of the command line is not written");
    }
    kept.is_ok()
}

fn load_config(folder: &DataFolder) -> anyhow::Result<Config> {
    let mut settings = data_folder_settings(folder.path(), &ProcessEnvironment)?;
    // What a developer registers lies on the same machine.
    settings.push(("server.decoder".to_owned(), "true".to_owned()));
    settings.push(("outbound.allow_private_addresses".to_owned(), "true".to_owned()));
    // Who presses Ctrl-C does not want to wait for a browser.
    settings.push(("server.drain_idle_seconds".to_owned(), "0".to_owned()));
    let sources = Sources { file: ConfigFile::Nowhere, environment: &ProcessEnvironment, flags: &settings, files: &Disk };
    let Loaded { config, provenance } = config::load(&sources)?;
    for key in ["server.listen", "server.base_urls", "tls.listen"] {
        if provenance.of(key).is_some_and(|origin| origin.place != Place::Default) {
            bail!("`dev` listens on loopback and chooses its base URL: unset {}, or use `serve`", config::variable_of(key));
        }
    }
    if let Some(path) = config.keys.master_key_file() {
        master_key_file::create_if_missing(path, &SystemEntropy).with_context(|| format!("cannot create {}", path.display()))?;
    }
    Ok(config)
}

/// Everything that is listened on.
struct Sockets {
    plain: Listeners,
    secure: Option<Listeners>,
    demo: Listeners,
    metrics: Listeners,
}

impl Sockets {
    /// The server has the port that was asked for; the others have their usual ones
    /// only beside the server's usual one. Scrapes go where the settings say.
    async fn bind(port: u16, tls: bool, metrics: &[SocketAddr]) -> anyhow::Result<Self> {
        let beside = |usual: u16| if port == DEFAULT_PORT { usual } else { 0 };
        let hint = "is another `countersign dev` running? `--port 0` finds free ports";
        let plain = Listeners::loopback(port).await.context(hint)?;
        let secure = if tls { Some(Listeners::loopback(beside(TLS_PORT)).await.context(hint)?) } else { None };
        let demo = Listeners::loopback(beside(DEMO_API_PORT)).await.context(hint)?;
        let metrics = match metrics {
            [] => bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, beside(METRICS_PORT)))]).await.context(hint)?,
            addresses => bind(addresses).await?,
        };
        Ok(Self { plain, secure, demo, metrics })
    }
}

fn metrics_url(metrics: &Listeners) -> anyhow::Result<String> {
    let listener = metrics.0.first().context("there is no listener for metrics")?;
    Ok(format!("http://{}/metrics", listener.local_addr()?))
}

/// The same server with TLS.
struct Https {
    secure: SecureListeners,
    url: BaseUrl,
    ca_file: PathBuf,
}

impl Https {
    fn prepare(listeners: Listeners, folder: &Path, plain: &BaseUrl) -> anyhow::Result<Self> {
        let url = BaseUrl::local_https(listeners.port().context("the server has no port for TLS")?);
        let made = certificate::ensure(folder, SystemClock.now())?;
        let current = Arc::new(CurrentCertificate::default());
        current.replace(made.certificate);
        let secure = SecureListeners {
            listeners,
            bases: Arc::new([url.clone()]),
            other_bases: Arc::new([plain.clone()]),
            terms: terms(current, HandshakeLimits::default())?,
            challenges: None,
            keeping: None,
        };
        Ok(Self { secure, url, ca_file: made.ca_file })
    }
}

fn env_file(base: &BaseUrl, demo_url: &BaseUrl, metrics_url: &str, demo: &DemoObjects, https: Option<&Https>) -> EnvFile {
    let secret = demo.client_secret.expose().as_str();
    let ca_file = https.map(|https| https.ca_file.to_string_lossy().into_owned()).unwrap_or_default();
    let secure = https.map(|https| [("HTTPS_URL", https.url.as_str()), ("CA_FILE", &ca_file)]);
    let plain = [
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
        ("UNKEY_ROOT_KEY", demo.root_key.expose()),
        ("STATUS_CLIENT_ID", objects::STATUS_CLIENT_ID),
        ("STATUS_CLIENT_SECRET", demo.status_secret.expose()),
        ("DEMO_API_URL", demo_url.as_str()),
        ("METRICS_URL", metrics_url),
    ];
    EnvFile::new(plain.into_iter().chain(secure.into_iter().flatten()))
}
