//! Keeps this node's certificate current.

use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::jose::base64url;
use countersign_protocol::{Secret, Timestamp};
use rustls::pki_types::CertificateDer;

use super::order::{Issued, obtain};
use super::{AcmeError, CertificateOrder, StoredCertificate, schedule};
use crate::app::App;
use crate::audit::Actor;
use crate::config::AcmeConfig;
use crate::entropy::random;
use crate::instance::hold_master_key;
use crate::outbound::AcmeHttp;
use crate::store::StoreError;
use crate::tls::{Certificate, CurrentCertificate, ExpiryNotice};

/// Longest try. The lease is longer, so that two tries never overlap.
const TRY: Duration = Duration::from_secs(5 * 60);
const LEASE_SECONDS: i64 = 10 * 60;
/// How often a node looks: while it has no certificate, and after that.
const PAUSE_WITHOUT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_secs(30);

/// Takes up what the database has, and gets a new certificate when one is due.
pub struct Worker {
    app: Arc<App>,
    config: AcmeConfig,
    order: CertificateOrder,
    http: AcmeHttp,
    current: Arc<CurrentCertificate>,
    /// Which of the stored certificates was taken up, or found unusable.
    version: i64,
}

/// What one look led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing was due.
    Nothing,
    /// Another node's certificate is served.
    TakenUp,
    /// A new certificate was issued to this node and is served.
    Obtained,
    /// A try failed; the next one is scheduled.
    Failed,
}

impl Worker {
    /// A worker without a certificate. `directory_roots` are trusted for the
    /// connection to the authority.
    ///
    /// # Errors
    /// [`AcmeError::Tls`].
    pub fn new(app: Arc<App>, config: AcmeConfig, directory_roots: &[CertificateDer<'static>]) -> Result<Self, AcmeError> {
        let order = CertificateOrder::new(&config.directory_url, &config.domains);
        let http = app.outbound.acme(directory_roots)?;
        Ok(Self { app, config, order, http, current: Arc::default(), version: 0 })
    }

    /// Where the certificate is served from.
    pub fn current(&self) -> &Arc<CurrentCertificate> {
        &self.current
    }

    /// Looks again and again, for as long as the process lives.
    pub async fn run(mut self) {
        let mut notice = ExpiryNotice::default();
        loop {
            if let Err(error) = self.step().await {
                tracing::warn!(error = %crate::log::chain(&error), "the state of the TLS certificate cannot be read");
            }
            let not_after = self.current.not_after();
            let now = self.app.clock.now();
            notice.look(not_after, now);
            self.app.metrics.expiry.set_server_certificate(not_after, now);
            tokio::time::sleep(if not_after.is_some() { PAUSE } else { PAUSE_WITHOUT }).await;
        }
    }

    /// Looks once.
    ///
    /// # Errors
    /// [`AcmeError`] when the stored state cannot be read. A try that fails is no
    /// error here: it is logged, and the next one is scheduled.
    pub async fn step(&mut self) -> Result<Step, AcmeError> {
        let stored = self.stored().await?;
        let taken_up = stored.version != self.version && self.take_up(&stored)?;
        let now = self.app.clock.now();
        if stored.renew_at > now {
            return Ok(if taken_up { Step::TakenUp } else { Step::Nothing });
        }
        let lease_id = base64url::encode(&random::<16>(self.app.entropy.as_ref()));
        match self.lease(&lease_id, now).await? {
            Some(failures) => Ok(self.try_once(&lease_id, failures).await),
            None => Ok(if taken_up { Step::TakenUp } else { Step::Nothing }),
        }
    }

    async fn stored(&self) -> Result<StoredCertificate, AcmeError> {
        let order = self.order.clone();
        let find = || {
            let order = order.clone();
            self.app.store.read(move |session| Box::pin(async move { session.find_certificate(&order).await }))
        };
        if let Some(stored) = find().await? {
            return Ok(stored);
        }
        let (order, now) = (self.order.clone(), self.app.clock.now());
        self.app.write(move |tx| Box::pin(async move { tx.expect_certificate(&order, now).await })).await?;
        Ok(find().await?.unwrap_or(StoredCertificate { version: 0, issued: None, renew_at: now }))
    }

    /// Serves a stored certificate. Whether it can be: one that has expired cannot,
    /// and the next one is due anyway.
    fn take_up(&mut self, stored: &StoredCertificate) -> Result<bool, AcmeError> {
        self.version = stored.version;
        let Some((chain, sealed)) = &stored.issued else { return Ok(false) };
        let opened = self.app.master_key.open(&self.order.sealing_id(), sealed)?;
        let private_key = Secret::new(String::from_utf8_lossy(opened.expose()).into_owned());
        match Certificate::from_pem(chain, &private_key, self.app.clock.now()) {
            Ok(certificate) => self.current.replace(certificate),
            Err(error) => {
                tracing::error!(names = self.order.names, "the stored TLS certificate {error}");
                return Ok(false);
            }
        }
        tracing::info!(names = self.order.names, version = stored.version, "a new TLS certificate is served");
        Ok(true)
    }

    async fn lease(&self, lease_id: &str, now: Timestamp) -> Result<Option<i64>, StoreError> {
        let (order, lease_id) = (self.order.clone(), lease_id.to_owned());
        let until = now.plus_seconds(LEASE_SECONDS);
        self.app.write(move |tx| Box::pin(async move { tx.lease_certificate(&order, &lease_id, until, now).await })).await
    }

    async fn try_once(&mut self, lease_id: &str, failures: i64) -> Step {
        tracing::info!(names = self.order.names, directory = self.order.directory_url, "asking for a TLS certificate");
        let tried = tokio::time::timeout(TRY, self.obtain(lease_id)).await.unwrap_or(Err(AcmeError::Timeout));
        let Err(error) = tried else { return Step::Obtained };
        let now = self.app.clock.now();
        let renew_at = schedule::retry(now, failures, self.app.entropy.as_ref());
        let next_in_seconds = renew_at.millis_since(now) / 1_000;
        tracing::error!(
            names = self.order.names,
            next_in_seconds,
            error = %crate::log::chain(&error),
            "no new TLS certificate: the old one, if any, is served on"
        );
        let (order, lease_id) = (self.order.clone(), lease_id.to_owned());
        let postponed =
            self.app.write(move |tx| Box::pin(async move { tx.postpone_certificate(&order, &lease_id, renew_at).await })).await;
        if let Err::<(), StoreError>(error) = postponed {
            // The lease runs out by itself.
            tracing::warn!(error = %crate::log::chain(&error), "the next try for a TLS certificate is not scheduled");
        }
        Step::Failed
    }

    async fn obtain(&mut self, lease_id: &str) -> Result<(), AcmeError> {
        let by = Actor::system("acme");
        let Issued { chain, private_key } = obtain(&self.app, &by, &self.config, &self.http).await?;
        let now = self.app.clock.now();
        let certificate = Certificate::from_pem(&chain, &private_key, now)?;
        if let Some(domain) = self.config.domains.iter().find(|domain| !certificate.covers(domain)) {
            return Err(AcmeError::OtherName(domain.clone()));
        }
        let renew_at = schedule::renewal(certificate.not_before(), certificate.not_after(), self.app.entropy.as_ref());
        let plain = Secret::new(private_key.expose().clone().into_bytes());
        let sealed = self.app.master_key.seal(&self.order.sealing_id(), &plain)?;
        let (order, lease_id) = (self.order.clone(), lease_id.to_owned());
        let event = by
            .event("certificate.issued", "certificate", &order.names)
            .with_detail("directory_url", order.directory_url.as_str())
            .with_detail("not_after", certificate.not_after().as_millis());
        let master_key = self.app.master_key.clone();
        let stored = self.app.write(move |tx| {
            Box::pin(async move {
                hold_master_key::<AcmeError>(tx, &master_key).await?;
                let version = tx.store_certificate(&order, &lease_id, (&chain, &sealed), renew_at).await?;
                let version = version.ok_or(AcmeError::LeaseLost)?;
                tx.record_event(event, now);
                Ok::<_, AcmeError>(version)
            })
        });
        self.version = stored.await?;
        self.current.replace(certificate);
        tracing::info!(names = self.order.names, version = self.version, "a new TLS certificate was issued and is served");
        Ok(())
    }
}
