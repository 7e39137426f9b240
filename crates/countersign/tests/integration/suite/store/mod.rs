//! The store's promises, kept on both engines.

use super::ENGINE;

mod statements;
mod units_of_work;
