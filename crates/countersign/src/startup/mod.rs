//! What `serve`, `dev` and the single commands share: building the application,
//! serving it, stopping it.

mod open;
mod serve;
mod stop;

pub use open::open_on_clock;
pub(crate) use open::{configured_master_key, connect_options, data_folder_settings, load_master_key, open, open_at, open_store};
pub use serve::serve_app;
pub(crate) use stop::stop_signal;
