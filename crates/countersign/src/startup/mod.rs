//! What `serve`, `dev` and the single commands share: building the application,
//! serving it, stopping it.

mod open;
mod serve;
mod stop;
mod tls;

pub(crate) use open::{check_files, connect_options, data_folder_settings, open, open_at};
pub(crate) use serve::{ServerListeners, serve_app};
pub(crate) use stop::stop_signal;
pub(crate) use tls::{HandshakeLimits, SecureListeners, secure_listeners, terms};
