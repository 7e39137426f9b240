//! A disk that fails when it is told to, and a process that is killed at a chosen point:
//! `programs/disk_faults.c`, preloaded.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use crate::support::{Instance, shared_object};

/// The disk under one folder.
pub(super) struct Disk {
    folder: PathBuf,
    orders: TempDir,
    shim: PathBuf,
}

impl Disk {
    pub(super) fn under(folder: &Path) -> Self {
        let orders = tempfile::tempdir().unwrap();
        let shim = shared_object("disk_faults.c", orders.path());
        Self { folder: folder.canonicalize().unwrap(), orders, shim }
    }

    /// Lets every process of an instance use it.
    pub(super) fn serve(&self, instance: Instance) -> Instance {
        self.variables().into_iter().fold(instance, |instance, (name, value)| instance.with_variable(name, &value))
    }

    /// Kills the process of a command instead of its `number`th operation on the disk.
    pub(super) fn kill_at<'c>(&self, command: &'c mut Command, number: u64) -> &'c mut Command {
        command.envs(self.variables()).env("COUNTERSIGN_DISK_KILL_AT", number.to_string())
    }

    /// How many operations a process made that was to be killed later than it ended.
    pub(super) fn operations(&self) -> u64 {
        std::fs::read_to_string(self.orders.path().join("operations")).unwrap().trim().parse().unwrap()
    }

    /// From now on: `full` or `unsynced`.
    pub(super) fn is(&self, order: &str) {
        std::fs::write(self.orders.path().join(order), "").unwrap();
    }

    /// From now on no longer.
    pub(super) fn is_not(&self, order: &str) {
        std::fs::remove_file(self.orders.path().join(order)).unwrap();
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        vec![
            ("LD_PRELOAD", text(&self.shim)),
            ("COUNTERSIGN_DISK", text(&self.folder)),
            ("COUNTERSIGN_DISK_ORDERS", text(self.orders.path())),
        ]
    }
}
