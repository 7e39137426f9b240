//! A certificate in files, taken up again when they change.

use std::sync::Arc;

use countersign_protocol::{Secret, Timestamp};

use super::{Certificate, CertificatePart, CurrentCertificate};
use crate::config::{CertificateFiles, ConfigError, Files};
use crate::log::rfc3339;

/// What the files held.
#[derive(PartialEq, Eq)]
struct Contents {
    chain: String,
    private_key: Secret<String>,
}

impl CertificateFiles {
    fn read(&self, files: &dyn Files) -> Result<Contents, ConfigError> {
        let chain = self.certificate.read(files)?;
        let private_key = self.private_key.read_private(files)?;
        Ok(Contents { chain: chain.text.expose().clone(), private_key: private_key.text })
    }

    fn parse(&self, contents: &Contents, now: Timestamp) -> Result<Certificate, ConfigError> {
        Certificate::from_pem(&contents.chain, &contents.private_key, now).map_err(|error| {
            let file = match error.part() {
                CertificatePart::Chain => &self.certificate,
                CertificatePart::PrivateKey => &self.private_key,
            };
            file.wrong(error.to_string())
        })
    }
}

/// What looking at the files led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// Nothing changed, or a change is still being made.
    Nothing,
    /// A new certificate is served.
    Replaced,
    /// What the files hold cannot be served; the old certificate is.
    Refused,
}

/// Looks at the files again and again.
pub struct Reloader {
    files: CertificateFiles,
    current: Arc<CurrentCertificate>,
    /// Served, or refused already.
    seen: Result<Contents, ConfigError>,
    /// Seen the last time only: two files are not written in one moment.
    unsettled: Option<Result<Contents, ConfigError>>,
}

impl Reloader {
    /// Loads the files for the first time.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn start(files: CertificateFiles, disk: &dyn Files, now: Timestamp) -> Result<Self, ConfigError> {
        let contents = files.read(disk)?;
        let current = Arc::new(CurrentCertificate::default());
        current.replace(files.parse(&contents, now)?);
        Ok(Self { files, current, seen: Ok(contents), unsettled: None })
    }

    /// Where the certificate is served from.
    pub fn current(&self) -> &Arc<CurrentCertificate> {
        &self.current
    }

    /// Looks once. A change counts when two looks in a row find the same, or at
    /// once where somebody says that the files are complete.
    pub fn look(&mut self, disk: &dyn Files, now: Timestamp, is_complete: bool) -> Reloaded {
        let found = self.files.read(disk);
        if found == self.seen && !is_complete {
            self.unsettled = None;
            return Reloaded::Nothing;
        }
        if !is_complete && self.unsettled.as_ref() != Some(&found) {
            self.unsettled = Some(found);
            return Reloaded::Nothing;
        }
        self.unsettled = None;
        self.take_up(found, now)
    }

    fn take_up(&mut self, found: Result<Contents, ConfigError>, now: Timestamp) -> Reloaded {
        let parsed = match &found {
            Ok(contents) => self.files.parse(contents, now),
            Err(error) => Err(error.clone()),
        };
        self.seen = found;
        match parsed {
            Ok(certificate) => {
                let expires_at = rfc3339(certificate.not_after());
                self.current.replace(certificate);
                tracing::info!(expires_at, "a new TLS certificate is served");
                Reloaded::Replaced
            }
            Err(error) => {
                let error = error.to_string().replace('\n', ";");
                tracing::error!(error, "the new TLS certificate cannot be used: the old one is served on");
                Reloaded::Refused
            }
        }
    }
}
