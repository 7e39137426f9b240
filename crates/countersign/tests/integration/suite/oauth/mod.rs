//! `/oauth/...`.

use super::ENGINE;

mod introspect;
mod opaque;
mod revoke;
mod token;
