//! From the configuration of TLS to listeners that speak it, and the task that keeps
//! their certificate current.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::acme::Worker;
use crate::app::App;
use crate::config::{AcmeConfig, BaseUrl, CertificateFiles, CertificateSource, Disk, ServerConfig, TlsConfig};
use crate::http::{HandedOver, Listeners};
use crate::tls::{CurrentCertificate, ExpiryNotice, Reloader, TlsTerms, server_config};

/// Listeners that speak TLS.
pub(crate) struct SecureListeners {
    pub(crate) listeners: Listeners,
    /// Their base URLs.
    pub(crate) bases: Arc<[BaseUrl]>,
    /// Those of the plain listeners beside them.
    pub(crate) other_bases: Arc<[BaseUrl]>,
    pub(crate) terms: TlsTerms,
    /// Where a certificate authority asks, if there is one: besides every other listener.
    pub(crate) challenges: Option<Listeners>,
    /// Keeps the certificate current; to be run beside the listeners.
    pub(crate) keeping: Option<Keeping>,
}

/// Keeps a certificate current, for as long as the process lives.
pub(crate) type Keeping = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Limits on handshakes.
#[derive(Clone, Copy)]
pub(crate) struct HandshakeLimits {
    pub(crate) timeout: Duration,
    pub(crate) at_a_time: usize,
}

/// As the settings have them by default.
impl Default for HandshakeLimits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), at_a_time: 512 }
    }
}

/// Binds the TLS listeners of a configuration.
pub(crate) async fn secure_listeners(
    app: &Arc<App>,
    tls: &TlsConfig,
    server: &ServerConfig,
    sockets: &mut HandedOver,
) -> anyhow::Result<SecureListeners> {
    let (certificate, keeping) = match &tls.certificate {
        CertificateSource::Files { files, reload_interval } => {
            follow_files(app, files, *reload_interval, &tls.base_urls).context("the TLS certificate cannot be used")?
        }
        CertificateSource::Acme(acme) => follow_authority(app, acme)?,
    };
    let challenges = match &tls.certificate {
        CertificateSource::Acme(acme) => Some(sockets.bind(&acme.http_listen).await?),
        CertificateSource::Files { .. } => None,
    };
    let limits = HandshakeLimits { timeout: tls.handshake_timeout, at_a_time: tls.max_handshakes };
    Ok(SecureListeners {
        listeners: sockets.bind(&tls.listen).await?,
        bases: tls.base_urls.clone().into(),
        other_bases: server.base_urls.clone().into(),
        terms: terms(certificate, limits)?,
        challenges,
        keeping: Some(keeping),
    })
}

/// The server's side of TLS with a certificate.
pub(crate) fn terms(certificate: Arc<CurrentCertificate>, limits: HandshakeLimits) -> anyhow::Result<TlsTerms> {
    Ok(TlsTerms {
        acceptor: TlsAcceptor::from(server_config(certificate)?),
        handshakes: Arc::new(Semaphore::new(limits.at_a_time)),
        handshake_timeout: limits.timeout,
    })
}

fn follow_authority(app: &Arc<App>, acme: &AcmeConfig) -> anyhow::Result<(Arc<CurrentCertificate>, Keeping)> {
    let roots = acme.directory_ca_file.as_ref().map(|file| file.read_certificates(&Disk)).transpose()?.unwrap_or_default();
    let worker = Worker::new(Arc::clone(app), acme.clone(), &roots)?;
    let current = Arc::clone(worker.current());
    Ok((current, Box::pin(worker.run())))
}

fn follow_files(
    app: &Arc<App>,
    files: &CertificateFiles,
    interval: Duration,
    bases: &[BaseUrl],
) -> anyhow::Result<(Arc<CurrentCertificate>, Keeping)> {
    let reloader = Reloader::start(files.clone(), &Disk, app.clock.now())?;
    let current = Arc::clone(reloader.current());
    for base in bases.iter().filter(|base| !current.covers(base.host())) {
        tracing::warn!(base_url = base.as_str(), "the TLS certificate is not for this name: clients refuse it");
    }
    let mut hang_up = signal(SignalKind::hangup())?;
    let app = Arc::clone(app);
    let keeping = async move {
        let (mut reloader, mut notice) = (reloader, ExpiryNotice::default());
        loop {
            let (not_after, now) = (reloader.current().not_after(), app.clock.now());
            notice.look(not_after, now);
            app.metrics.expiry.set_server_certificate(not_after, now);
            let is_complete = tokio::select! {
                _ = hang_up.recv() => true,
                () = tokio::time::sleep(interval) => false,
            };
            let now = app.clock.now();
            let looked = tokio::task::spawn_blocking(move || {
                reloader.look(&Disk, now, is_complete);
                reloader
            });
            match looked.await {
                Ok(back) => reloader = back,
                Err(error) => return tracing::error!(error = %error, "the TLS certificate is not looked at any more"),
            }
        }
    };
    Ok((current, Box::pin(keeping)))
}
