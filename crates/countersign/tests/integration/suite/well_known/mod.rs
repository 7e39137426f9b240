//! `/.well-known/...`, at the root and below `/oauth2/`.

use super::ENGINE;

mod key_set;
mod metadata;
