//! Creating the master key file.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use countersign_protocol::Secret;
use countersign_protocol::jose::base64url;

use crate::entropy::{Entropy, random};

/// Creates the file with a new master key, readable by its owner only: all of it
/// or nothing. An existing file is left alone. Says whether it was created.
///
/// # Errors
/// The operating system's.
pub(crate) fn create_if_missing(path: &Path, entropy: &dyn Entropy) -> io::Result<bool> {
    if path.exists() {
        return Ok(false);
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    // Created with mode 0600.
    let mut file = tempfile::Builder::new().prefix(".master.key.").tempfile_in(folder)?;
    let text = Secret::new(base64url::encode(&random::<32>(entropy)));
    file.write_all(text.expose().as_bytes())?;
    file.write_all(b"\n")?;
    // A database sealed by a key that a power cut took away is lost: the content
    // and the name must both be on the disk.
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error.error),
    }
    File::open(folder)?.sync_all()?;
    Ok(true)
}
