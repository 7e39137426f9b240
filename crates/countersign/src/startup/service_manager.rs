//! Tells the service manager how the process is (sd_notify(3)), where there is one that
//! wants to know.

use std::ffi::OsStr;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::config::Environment;

/// What there is to tell.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// It serves: whoever waits for it may go on.
    Ready,
    /// It takes nothing new.
    Stopping,
}

/// Nobody may wait in vain for the start or the end of a server that works: a failure is
/// logged and nothing else.
pub(super) fn tell(environment: &dyn Environment, state: State) {
    let Some(socket) = environment.variable("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else { return };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(error = %error, socket = %socket.display(), "the service manager is not told");
    }
}

fn send(socket: &OsStr, state: State) -> std::io::Result<()> {
    let text = match state {
        State::Ready => "READY=1",
        State::Stopping => "STOPPING=1",
    };
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address_of(socket)?).map(drop)
}

/// A leading `@` names a socket that has no file.
#[cfg(target_os = "linux")]
fn address_of(socket: &OsStr) -> std::io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(socket),
    }
}

#[cfg(not(target_os = "linux"))]
fn address_of(socket: &OsStr) -> std::io::Result<SocketAddr> {
    SocketAddr::from_pathname(socket)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::linux::net::SocketAddrExt as _;

    use super::*;

    #[test]
    fn a_socket_without_a_file_is_told_too() {
        let name = format!("countersign-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(OsStr::new(&format!("@{name}")), State::Ready).unwrap();
        let mut said = [0; 16];
        let length = manager.recv(&mut said).unwrap();
        assert_eq!(&said[..length], b"READY=1");
    }
}
