//! The user who runs PostgreSQL: it refuses to run as root.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// Users to whom root can hand the server over, the best first.
const USERS: &[&str] = &["postgres", "nobody"];

/// Whose the cluster is.
#[derive(Clone, Copy)]
pub(crate) enum Account {
    /// This process's user.
    Own,
    /// Another one, as this process's user is root.
    Other { uid: u32, gid: u32 },
}

impl Account {
    pub(crate) fn choose() -> Result<Self> {
        if !is_root()? {
            return Ok(Self::Own);
        }
        for user in USERS {
            if let (Ok(uid), Ok(gid)) = (id(&["-u", user]), id(&["-g", user])) {
                return Ok(Self::Other { uid, gid });
            }
        }
        bail!("PostgreSQL does not run as root, and there is none of the users {}", USERS.join(", "))
    }

    /// A command that runs as this user.
    pub(crate) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Hands a file or folder over.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid } => {
                chown(path, Some(uid), Some(gid)).with_context(|| format!("cannot hand over {}", path.display()))
            }
        }
    }
}

pub(crate) fn is_root() -> Result<bool> {
    Ok(id(&["-u"])? == 0)
}

fn id(arguments: &[&str]) -> Result<u32> {
    process::read(Command::new("id").args(arguments))?.trim().parse().context("`id` printed no number")
}
