//! Several nodes on one database.

use super::ENGINE;

mod change_feed;
mod client_cache;
mod revocation_marks;
mod starting;
