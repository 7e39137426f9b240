//! `/oauth/...`.

use super::ENGINE;

mod exchange;
mod introspect;
mod opaque;
mod phantom;
mod revoke;
mod signed_introspection;
mod token;
mod token_keys;
