//! What `serve`, `dev` and the single commands share: building the application,
//! serving it, stopping it.

mod open;
mod serve;
mod stop;

pub(crate) use open::{connect_options, data_folder_settings, open, open_at};
pub(crate) use serve::serve_app;
pub(crate) use stop::stop_signal;
