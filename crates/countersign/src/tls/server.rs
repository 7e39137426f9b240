//! The server's side of TLS.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::CurrentCertificate;

/// How connections to a listener become TLS connections.
#[derive(Clone)]
pub struct TlsTerms {
    /// The server's side of TLS.
    pub acceptor: TlsAcceptor,
    /// Handshakes that may run at a time.
    pub handshakes: Arc<Semaphore>,
    /// Longest wait for a handshake, its turn included.
    pub handshake_timeout: Duration,
}

/// TLS 1.2 and 1.3 by aws-lc-rs, HTTP/2 or HTTP/1.1, sessions resumed by tickets
/// that this process alone can open.
///
/// # Errors
/// [`rustls::Error`] when the cryptographic library refuses.
pub fn server_config(certificate: Arc<CurrentCertificate>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(Arc::new(config))
}
