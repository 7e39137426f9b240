//! The packages of the client tests: `node_modules` and a Python virtual environment, each with a stamp that
//! remembers what it was made from.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{process, workspace};

pub(crate) struct Folder {
    /// For people.
    pub(crate) name: &'static str,
    /// The file that says what belongs into it.
    pub(crate) lock: &'static str,
    path: PathBuf,
    /// Prints the version of the program that fills it: packages of another one do not work.
    program: &'static str,
    fill: fn() -> Result<()>,
}

pub(crate) fn all() -> Vec<Folder> {
    vec![
        Folder {
            name: "tests/clients/node_modules",
            lock: "package-lock.json",
            path: workspace::clients().join("node_modules"),
            program: "node",
            fill: fill_node_modules,
        },
        Folder { name: "tests/clients/.venv", lock: "requirements.txt", path: venv(), program: "python3", fill: fill_venv },
    ]
}

/// The Python of the virtual environment.
pub(crate) fn python() -> PathBuf {
    venv().join("bin/python")
}

impl Folder {
    /// Whether it was filled from the present lock file.
    pub(crate) fn is_ready(&self) -> bool {
        let present = fs::read_to_string(self.stamp_file()).ok();
        present.is_some() && present == self.stamp().ok()
    }

    pub(crate) fn install(&self) -> Result<()> {
        // An interrupted installation leaves no stamp.
        let _ = fs::remove_file(self.stamp_file());
        (self.fill)()?;
        fs::write(self.stamp_file(), self.stamp()?).with_context(|| format!("cannot write the stamp of {}", self.name))
    }

    fn stamp_file(&self) -> PathBuf {
        self.path.join(".stamp")
    }

    fn stamp(&self) -> Result<String> {
        let lock = fs::read(workspace::clients().join(self.lock)).with_context(|| format!("cannot read {}", self.lock))?;
        let version = process::read(Command::new(self.program).arg("--version"))?;
        let mut hasher = DefaultHasher::new();
        hasher.write(&lock);
        Ok(format!("{} {:016x} {}\n", self.lock, hasher.finish(), version.trim()))
    }
}

fn venv() -> PathBuf {
    workspace::clients().join(".venv")
}

fn fill_node_modules() -> Result<()> {
    process::run(Command::new("npm").current_dir(workspace::clients()).args(["ci", "--no-audit", "--no-fund"]))
}

fn fill_venv() -> Result<()> {
    process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv()))?;
    let mut pip = Command::new(python());
    pip.current_dir(workspace::clients());
    process::run(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"]))
}
