//! A certificate from a certificate authority (RFC 8555). Account, certificate and
//! the answers to challenges are in the database: one node at a time renews, every
//! node answers and serves.

mod challenge;
mod error;
mod order;
mod schedule;
mod worker;

use countersign_protocol::Timestamp;

pub use challenge::answer;
pub use error::AcmeError;
pub use worker::{Step, Worker};

/// Which certificate, and from whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateOrder {
    /// The authority's directory.
    pub directory_url: String,
    /// The domain names, sorted, with commas between them.
    pub names: String,
}

/// A certificate as stored.
#[derive(Clone, Debug)]
pub struct StoredCertificate {
    /// How many were issued; 0: none yet.
    pub version: i64,
    /// The chain in PEM, and the key, sealed by the master key.
    pub issued: Option<(String, String)>,
    /// When the next one is due.
    pub renew_at: Timestamp,
}

impl CertificateOrder {
    fn new(directory_url: &str, domains: &[String]) -> Self {
        let mut names = domains.to_vec();
        names.sort();
        Self { directory_url: directory_url.to_owned(), names: names.join(",") }
    }

    /// For which row its key is sealed.
    fn sealing_id(&self) -> String {
        format!("acme_certificate {} {}", self.directory_url, self.names)
    }
}
