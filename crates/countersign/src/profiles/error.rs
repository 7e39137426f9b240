//! Why there is no profile.

use std::io;
use std::path::PathBuf;

/// What is wrong with a profile, or with the file of all of them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    /// Two ways were given.
    #[error("COUNTERSIGN_PROFILE and COUNTERSIGN_MANAGEMENT_URL are both set: keep one of the two")]
    Ambiguous,
    /// There are several profiles, and nothing says which.
    #[error("there are the profiles {names}: name one with --profile, or choose one for good with `countersign profile use`")]
    Choose {
        /// All of them.
        names: String,
    },
    /// A file could not be read or written.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no file of profiles.
    #[error("{path} is not a file of profiles: {problem}")]
    Form {
        /// The file.
        path: PathBuf,
        /// Where and why, without the file's text.
        problem: String,
    },
    /// There is no place for the file.
    #[error("neither XDG_CONFIG_HOME nor HOME is an absolute path: there is no place for profiles")]
    Homeless,
    /// The environment gives a part of a profile.
    #[error("{0} is not set, but COUNTERSIGN_MANAGEMENT_URL is")]
    Incomplete(&'static str),
    /// A name that is not accepted.
    #[error("`{0}` is no name of a profile: 1 to 63 characters of a-z 0-9 _ -")]
    Name(String),
    /// There is nothing to choose from.
    #[error(
        "no profile says where the server is: start `countersign dev`, or add one with `countersign profile add`, or set COUNTERSIGN_MANAGEMENT_URL"
    )]
    None,
    /// The file of secrets is open to others.
    #[error("{path} is open to other users (mode {mode:04o}): run chmod 600 on it")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A secret was given in two ways.
    #[error("{0} and {0}_FILE are both set: keep one of the two")]
    Twice(&'static str),
    /// There is no profile of this name.
    #[error("there is no profile `{name}`; there are: {known}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// The URL is not that of a management API.
    #[error("`{0}` is not the URL of a management API: it is absolute, https (http on the loopback), and ends with /manage/v1")]
    Url(String),
}
