//! Sets up what the tests need: programs, and the packages of the client tests.

mod apt;
mod folders;
mod needs;
mod version;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::postgres::Programs;
use crate::{print, process};
use folders::Folder;
use needs::Missing;

pub(crate) use version::Version;

/// What was found or installed.
pub(crate) struct Tools {
    pub(crate) postgres: Programs,
    /// The Python that has the packages of the client tests.
    pub(crate) python: PathBuf,
    /// The browser.
    pub(crate) chromium: PathBuf,
}

/// Finds everything, installs what is missing if it may, and fails with the list of what is still missing.
pub(crate) fn run(install: bool) -> Result<Tools> {
    let mut missing = needs::missing();
    if install && !missing.is_empty() && apt::may_install() {
        apt::install(&missing)?;
        missing = needs::missing();
    }
    if !missing.is_empty() {
        bail!("{}", describe(&missing, &stale_folders(install)));
    }
    for folder in folders::all() {
        prepare(&folder, install)?;
    }
    let postgres = Programs::find().map_err(anyhow::Error::msg)?;
    print::line(&format!("PostgreSQL: {}", postgres.folder().display()));
    let chromium = process::find(needs::CHROMIUM).context("chromium is gone")?;
    Ok(Tools { postgres, python: folders::python(), chromium })
}

fn prepare(folder: &Folder, install: bool) -> Result<()> {
    if folder.is_ready() {
        print::line(&format!("{}: as before", folder.name));
    } else if install {
        folder.install()?;
    } else {
        bail!("{}", describe(&[], &stale_folders(install)));
    }
    Ok(())
}

/// The folders which the user has to fill, as nothing may be installed.
fn stale_folders(install: bool) -> Vec<Folder> {
    if install { Vec::new() } else { folders::all().into_iter().filter(|folder| !folder.is_ready()).collect() }
}

fn describe(missing: &[Missing], stale: &[Folder]) -> String {
    let mut lines = vec!["missing:".to_owned()];
    for need in missing {
        lines.push(format!("  {}: {}", need.what, need.problem));
    }
    for folder in stale {
        lines.push(format!("  {}: not installed, or not from the present {}", folder.name, folder.lock));
    }
    if !missing.is_empty() {
        lines.push(format!("on Debian, as root: {}", apt::command_line(missing)));
    }
    if !stale.is_empty() {
        lines.push("for the packages: cargo xtask setup".to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_exactly_what_is_missing_and_what_installs_it() {
        let missing = [
            Missing { what: "node 20.15 or newer", problem: "found 18.20".to_owned(), packages: &["nodejs"] },
            Missing { what: "curl", problem: "not found".to_owned(), packages: &["curl"] },
        ];
        let stale = folders::all().pop().into_iter().collect::<Vec<_>>();
        assert_eq!(
            describe(&missing, &stale),
            "missing:\n  node 20.15 or newer: found 18.20\n  curl: not found\n  \
             tests/clients/.venv: not installed, or not from the present requirements.txt\n\
             on Debian, as root: apt-get update && apt-get install -y --no-install-recommends nodejs curl\n\
             for the packages: cargo xtask setup"
        );
    }
}
