//! `/oauth/...`.

use super::ENGINE;

mod introspect;
mod revoke;
mod token;
