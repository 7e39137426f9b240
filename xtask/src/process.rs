//! Runs programs.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{print, workspace};

/// A cargo command in the root of the workspace.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(workspace::root()).args(arguments);
    // Set by `cargo run` for xtask: left in place, build scripts that watch them would run again.
    for (name, _) in std::env::vars_os() {
        let cargos = name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if cargos {
            command.env_remove(name);
        }
    }
    command
}

/// Runs it with this process's own output; anything but exit code 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    print::line(&format!("$ {}", shown(command)));
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// Runs it and returns what it wrote to stdout; anything but exit code 0 is an error that quotes its stderr.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run `{}`", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed: {}\n{}", shown(command), output.status, said.trim_end());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` did not write UTF-8", shown(command)))
}

/// Where a program is on the search path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let found = read(Command::new("sh").args(["-c", "command -v \"$1\"", "sh", program])).ok()?;
    Some(PathBuf::from(found.trim_end()))
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args().map(OsStr::to_string_lossy) {
        let _ = write!(text, " {argument}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_quotes_what_the_program_said() {
        let error = read(Command::new("sh").args(["-c", "echo no such thing >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.ends_with("no such thing"), "{error}");
    }

    #[test]
    fn finds_programs() {
        assert!(find("sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(find("no-such-program-here"), None);
    }
}
