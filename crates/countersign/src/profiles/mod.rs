//! Where the command line finds a management API and who it is there: profiles in
//! one file that only its owner reads, or the environment.

mod choose;
mod error;
mod file;
mod management_url;

use std::path::PathBuf;

use countersign_protocol::Secret;

pub(crate) use choose::{Chosen, Origin, choose};
pub(crate) use error::ProfileError;
pub(crate) use file::{ProfileFile, change};
pub(crate) use management_url::ManagementUrl;

/// The profile that `countersign dev` writes.
pub(crate) const DEV: &str = "dev";

/// A management API, and the client that calls it.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) management_url: ManagementUrl,
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret<String>,
    /// PEM file of certificate authorities that are trusted besides Mozilla's.
    pub(crate) ca_file: Option<PathBuf>,
}

/// Checks the name of a profile.
pub(crate) fn parse_name(text: &str) -> Result<String, ProfileError> {
    let is_known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if (1..=63).contains(&text.len()) && text.chars().all(is_known) {
        Ok(text.to_owned())
    } else {
        Err(ProfileError::Name(text.escape_debug().to_string()))
    }
}
