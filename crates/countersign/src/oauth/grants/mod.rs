//! One file per grant; each decides without effects.

pub mod client_credentials;
pub mod token_exchange;
