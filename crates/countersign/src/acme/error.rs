//! Why there is no new certificate.

use crate::sealing::SealingError;
use crate::store::StoreError;
use crate::tls::CertificateError;

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// What was issued cannot be served.
    #[error("the certificate {0}")]
    Certificate(#[from] CertificateError),
    /// The stored account cannot be read.
    #[error("the stored account cannot be read")]
    Account(#[source] serde_json::Error),
    /// A key or a signing request cannot be made.
    #[error("no signing request can be made")]
    Key(#[from] rcgen::Error),
    /// The lease ran out before the certificate came.
    #[error("another node took over in the meantime")]
    LeaseLost,
    /// The authority does not offer HTTP-01.
    #[error("the certificate authority offers no HTTP-01 challenge for {0}")]
    NoHttpChallenge(String),
    /// The certificate is for other names.
    #[error("the certificate authority issued a certificate that is not for {0}")]
    OtherName(String),
    /// The exchange with the authority failed.
    #[error("the certificate authority cannot be used")]
    Protocol(#[from] instant_acme::Error),
    /// Sealing failed.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It took too long.
    #[error("it took too long")]
    Timeout,
    /// TLS to the authority cannot be set up.
    #[error("TLS to the certificate authority cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The authority did not accept the proof for a domain.
    #[error("the certificate authority refused {domain}: {reason}")]
    Unproven {
        /// Which domain.
        domain: String,
        /// In the authority's words.
        reason: String,
    },
}
