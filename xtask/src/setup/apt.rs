//! Installs Debian's packages.

use std::process::Command;

use anyhow::Result;

use super::needs::Missing;
use crate::{postgres, process};

const INSTALL: &[&str] = &["install", "-y", "--no-install-recommends"];

/// Whether this user can install packages here.
pub(crate) fn may_install() -> bool {
    postgres::is_root().unwrap_or(false) && process::find("apt-get").is_some()
}

pub(crate) fn install(missing: &[Missing]) -> Result<()> {
    process::run(apt_get().arg("update"))?;
    process::run(apt_get().args(INSTALL).args(packages(missing)))
}

/// What a person would type.
pub(crate) fn command_line(missing: &[Missing]) -> String {
    let packages: Vec<_> = packages(missing).collect();
    format!("apt-get update && apt-get {} {}", INSTALL.join(" "), packages.join(" "))
}

fn packages(missing: &[Missing]) -> impl Iterator<Item = &'static str> {
    missing.iter().flat_map(|need| need.packages).copied()
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
