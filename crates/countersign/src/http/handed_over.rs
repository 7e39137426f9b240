//! Listening sockets that outlive the process: a service manager opens them, hands them
//! over at the start (`LISTEN_FDS`, sd_listen_fds(3)) and keeps them. What connects while
//! one process ends and the next begins waits in the socket's queue.

use std::io;
use std::net::SocketAddr;

use listenfd::ListenFd;
use tokio::net::TcpListener;

use super::listener::{BindError, Listeners};

/// The sockets that this process was started with and has not used yet.
#[derive(Debug, Default)]
pub struct HandedOver(Vec<std::net::TcpListener>);

/// A socket on whose address nothing is configured to listen: who connects to it would
/// wait for ever.
#[derive(Debug, thiserror::Error)]
#[error("a socket on {address} was handed over, and no setting listens there")]
pub struct UnusedSocket {
    /// Its address.
    pub address: SocketAddr,
}

impl HandedOver {
    /// Takes the sockets that the environment names, and the names out of it: to be
    /// called before there is a second thread.
    ///
    /// # Errors
    /// When one of them is no TCP socket.
    pub fn take() -> io::Result<Self> {
        let mut named = ListenFd::from_env();
        let mut sockets = Vec::new();
        for position in 0..named.len() {
            sockets.extend(named.take_tcp_listener(position)?);
        }
        Ok(Self(sockets))
    }

    /// Whether there is one on any of these addresses.
    pub fn has_any_of(&self, addresses: &[SocketAddr]) -> bool {
        let is_there = |socket: &std::net::TcpListener| socket.local_addr().is_ok_and(|own| addresses.contains(&own));
        self.0.iter().any(is_there)
    }

    /// Listens on those of the addresses on which there is one.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind_present(&mut self, addresses: &[SocketAddr]) -> Result<Listeners, BindError> {
        let present: Vec<SocketAddr> = addresses.iter().copied().filter(|address| self.has_any_of(&[*address])).collect();
        self.bind(&present).await
    }

    /// Listens on every address: by the socket on it that was handed over, or by a new one.
    ///
    /// # Errors
    /// [`BindError`] for the first that cannot be had.
    pub async fn bind(&mut self, addresses: &[SocketAddr]) -> Result<Listeners, BindError> {
        let mut listeners = Vec::new();
        for address in addresses {
            let listener = match self.take_at(*address) {
                Some(socket) => adopt(socket),
                None => TcpListener::bind(address).await,
            };
            listeners.push(listener.map_err(|source| BindError { address: *address, source })?);
        }
        Ok(Listeners(listeners))
    }

    /// Makes sure that every socket is in use.
    ///
    /// # Errors
    /// [`UnusedSocket`].
    pub fn all_used(&self) -> Result<(), UnusedSocket> {
        match self.0.iter().find_map(|socket| socket.local_addr().ok()) {
            Some(address) => Err(UnusedSocket { address }),
            None => Ok(()),
        }
    }

    fn take_at(&mut self, address: SocketAddr) -> Option<std::net::TcpListener> {
        let position = self.0.iter().position(|socket| socket.local_addr().is_ok_and(|own| own == address))?;
        Some(self.0.swap_remove(position))
    }
}

fn adopt(socket: std::net::TcpListener) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_the_default_addresses_those_that_were_handed_over_are_enough() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut handed_over = HandedOver(vec![socket]);
        let other = SocketAddr::new("::1".parse().unwrap(), address.port());
        assert!(handed_over.has_any_of(&[other, address]) && !handed_over.has_any_of(&[other]));
        assert_eq!(handed_over.bind_present(&[address, other]).await.unwrap().0.len(), 1);
        assert!(handed_over.all_used().is_ok());
    }

    #[tokio::test]
    async fn a_socket_is_found_by_its_address_and_one_that_nobody_uses_is_refused() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut handed_over = HandedOver(vec![socket]);
        let other = handed_over.bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
        assert_ne!(other.port(), Some(address.port()));
        assert_eq!(handed_over.all_used().unwrap_err().address, address);
        let same = handed_over.bind(&[address]).await.unwrap();
        assert_eq!(same.port(), Some(address.port()));
        assert!(!handed_over.has_any_of(&[address]) && handed_over.all_used().is_ok());
        // A second time there is nothing to hand over, and the address is taken.
        handed_over.bind(&[address]).await.unwrap_err();
    }
}
