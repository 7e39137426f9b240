//! The use-cases that change objects, which the command line calls directly.

use super::ENGINE;

mod audit;
mod creating;
mod credentials;
mod introspection_clients;
mod validation;
