//! Creating the master key file.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use countersign_protocol::Secret;
use countersign_protocol::jose::base64url;

use crate::entropy::{Entropy, random};

/// Creates the file with a new master key, readable by its owner only. An
/// existing file is left alone. Says whether it was created.
///
/// # Errors
/// The operating system's.
pub(crate) fn create_if_missing(path: &Path, entropy: &dyn Entropy) -> io::Result<bool> {
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error),
    };
    let text = Secret::new(base64url::encode(&random::<32>(entropy)));
    file.write_all(text.expose().as_bytes())?;
    file.write_all(b"\n")?;
    // A database sealed by a key that a power cut took away is lost.
    file.sync_all()?;
    Ok(true)
}
