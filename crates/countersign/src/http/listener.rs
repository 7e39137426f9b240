//! Binding the sockets, and what is served on them.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;

use super::Site;
use crate::config::BaseUrl;
use crate::tls::TlsTerms;

/// Bound sockets that serve the same.
#[derive(Debug)]
pub struct Listeners(pub Vec<TcpListener>);

/// Sockets, and what is served on them.
pub struct Endpoint {
    /// The sockets.
    pub listeners: Listeners,
    /// What is served.
    pub site: Site,
    /// The base URLs that a request may name here; none: any of the application's.
    pub bases: Option<Arc<[BaseUrl]>>,
    /// How connections become TLS connections; none: plain HTTP.
    pub tls: Option<TlsTerms>,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// The operating system's reason.
    pub source: io::Error,
}

/// Binds every address.
///
/// # Errors
/// [`BindError`] for the first that cannot be bound.
pub async fn bind(addresses: &[SocketAddr]) -> Result<Listeners, BindError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = TcpListener::bind(address).await.map_err(|source| BindError { address: *address, source })?;
        listeners.push(listener);
    }
    Ok(Listeners(listeners))
}

impl Listeners {
    /// Binds 127.0.0.1 and ::1 on one port; port 0 finds one that is free on
    /// both. A machine without IPv6 gets 127.0.0.1 alone.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn loopback(port: u16) -> Result<Self, BindError> {
        /// A free IPv4 port may be taken on IPv6; a few tries find one free on both.
        const TRIES: usize = 20;
        let mut last = None;
        for _ in 0..if port == 0 { TRIES } else { 1 } {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let v4 = TcpListener::bind(address).await.map_err(|source| BindError { address, source })?;
            let chosen = v4.local_addr().map_err(|source| BindError { address, source })?.port();
            let address = SocketAddr::from((Ipv6Addr::LOCALHOST, chosen));
            match TcpListener::bind(address).await {
                Ok(v6) => return Ok(Self(vec![v4, v6])),
                Err(source) if source.kind() == io::ErrorKind::AddrInUse => last = Some(BindError { address, source }),
                Err(_) => return Ok(Self(vec![v4])),
            }
        }
        Err(last.unwrap_or_else(|| BindError {
            address: SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
            source: io::ErrorKind::AddrInUse.into(),
        }))
    }

    /// The port of the first socket.
    pub fn port(&self) -> Option<u16> {
        self.0.first().and_then(|listener| listener.local_addr().ok()).map(|address| address.port())
    }

    /// The addresses, for a log line.
    pub fn addresses(&self) -> String {
        let addresses = self.0.iter().filter_map(|listener| listener.local_addr().ok());
        addresses.map(|address| address.to_string()).collect::<Vec<_>>().join(",")
    }
}
