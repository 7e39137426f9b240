//! `/oauth/...`.

use super::ENGINE;

mod token;
