//! SIGTERM and Ctrl-C: not ready any more, then drain.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::App;

#[expect(clippy::exit, reason = "asked for by the second signal")]
fn exit_now() -> ! {
    crate::log::flush();
    std::process::exit(130)
}

/// Becomes true at the first SIGTERM or SIGINT; the application reports itself
/// as draining before that.
pub(crate) fn stop_signal(app: Arc<App>) -> std::io::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        app.start_draining();
        sender.send_replace(true);
        // Whoever asks twice does not want to wait for requests in flight.
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::warn!("stopped at the second signal");
        exit_now();
    });
    Ok(receiver)
}
