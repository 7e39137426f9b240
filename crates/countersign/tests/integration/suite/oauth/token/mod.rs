//! `POST /oauth/token`.

use super::ENGINE;

mod algorithms;
mod audience;
mod body;
mod budgets;
mod claims;
mod client_authentication;
mod compatibility;
mod faults;
mod lifetime;
mod refusals;
mod scope;
mod secrets;
