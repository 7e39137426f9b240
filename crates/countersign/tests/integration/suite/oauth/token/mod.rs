//! `POST /oauth/token`.

use super::ENGINE;

mod algorithms;
mod assertion_budgets;
mod audience;
mod body;
mod budgets;
mod claims;
mod client_authentication;
mod clock_jumps;
mod compatibility;
mod faults;
mod jwks_uri;
mod lifetime;
mod overtaken;
mod private_key_jwt;
mod refusals;
mod reuse;
mod scope;
mod secrets;
