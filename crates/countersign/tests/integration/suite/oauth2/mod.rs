//! `/oauth2/{authorization server}/...` and the other ways to an authorization server.

use super::ENGINE;

mod hosts;
mod mounts;
mod status_feed;
mod status_lists;
