//! `POST /oauth/token`.

use super::ENGINE;

mod algorithms;
mod audience;
mod body;
mod claims;
mod client_authentication;
mod compatibility;
mod faults;
mod jwks_uri;
mod lifetime;
mod private_key_jwt;
mod refusals;
mod scope;
mod secrets;
