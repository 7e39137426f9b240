//! The store's promises, kept on both engines.

use super::ENGINE;

mod backup;
mod statements;
mod units_of_work;
