//! Tells the service manager how the process is (sd_notify(3)), where there is one that
//! wants to know.

use std::ffi::OsStr;
use std::os::unix::net::UnixDatagram;

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
    UnixDatagram::unbound()?.send_to(text.as_bytes(), socket).map(drop)
}
