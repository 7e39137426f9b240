//! The certificate that new connections get.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use countersign_protocol::Timestamp;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Certificate;

/// One certificate behind one atomic load. Connections that are open keep theirs.
#[derive(Default)]
pub struct CurrentCertificate(ArcSwapOption<Certificate>);

impl CurrentCertificate {
    /// Serves `certificate` from the next connection on.
    pub fn replace(&self, certificate: Certificate) {
        self.0.store(Some(Arc::new(certificate)));
    }

    /// Whether clients that asked for `host` accept the certificate.
    pub fn covers(&self, host: &str) -> bool {
        self.0.load().as_ref().is_some_and(|certificate| certificate.covers(host))
    }

    /// Until when the certificate is valid; `None` without one.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.0.load().as_ref().map(|certificate| certificate.not_after())
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().as_ref().map(|certificate| certificate.certified_key())
    }
}

impl fmt::Debug for CurrentCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CurrentCertificate").field(&*self.0.load()).finish()
    }
}
