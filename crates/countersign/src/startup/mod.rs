//! What `serve`, `dev` and the single commands share: building the application,
//! serving it, stopping it.

mod open;
mod serve;
mod service_manager;
mod stop;
mod tls;

pub use open::open_on_clock;
pub(crate) use open::{
    check_files, configured_master_key, connect_options, data_folder_settings, load_master_key, open, open_at, open_beside,
    open_store,
};
pub use serve::{ServerListeners, serve_app};
pub(crate) use stop::stop_signal;
pub(crate) use tls::{HandshakeLimits, SecureListeners, secure_listeners, terms};
