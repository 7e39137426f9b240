//! Clears up when this process dies without doing so itself: by Ctrl-C, by a signal, killed by a time limit.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// A shell that waits until this process is gone. Dropping it means that nothing is left to do.
pub(crate) struct AtDeath(Child);

impl AtDeath {
    /// Ends a process by a signal and removes the folder that it used.
    pub(crate) fn end(process: u32, signal: &str, folder: &Path) -> Result<Self> {
        let script = r#"kill "-$1" "$2"; sleep 1; rm -rf -- "$3""#;
        Self::run(script, &[OsStr::new(signal), OsStr::new(&process.to_string()), folder.as_os_str()])
    }

    fn run(script: &str, arguments: &[&OsStr]) -> Result<Self> {
        let mut shell = Command::new("sh");
        // `read` ends when the other end of the pipe is closed, and only the death of this process closes it.
        shell.args(["-c", &format!("read -r _; {script}"), "sh"]).args(arguments);
        // A group of its own, so that Ctrl-C does not reach it.
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(shell.spawn().context("cannot run sh")?))
    }
}

impl Drop for AtDeath {
    fn drop(&mut self) {
        // In this order: `wait` closes the pipe.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temp_folder::TempFolder;

    #[test]
    fn acts_only_when_the_pipe_is_closed() {
        let folder = TempFolder::create("test").unwrap();
        let file = folder.path().join("dead");
        let armed = || AtDeath::run("touch \"$1\"", &[file.as_os_str()]).unwrap();
        drop(armed());
        assert!(!file.exists());
        let mut died = armed();
        died.0.wait().unwrap();
        assert!(file.exists());
    }

    #[test]
    fn ends_the_process_and_removes_the_folder() {
        let parent = TempFolder::create("test").unwrap();
        let folder = parent.path().join("data");
        std::fs::create_dir(&folder).unwrap();
        let mut process = Command::new("sleep").arg("60").spawn().unwrap();
        let mut died = AtDeath::end(process.id(), "TERM", &folder).unwrap();
        died.0.wait().unwrap();
        assert!(!process.wait().unwrap().success());
        assert!(!folder.exists());
    }
}
