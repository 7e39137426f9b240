//! Starting processes, talking to them, and waiting for what they do.

mod cluster;
mod dev;
mod eventually;
pub(crate) mod http;
mod instance;
mod postgres;
mod process;
mod programs;
mod proxy;
pub(crate) mod tls;
mod wire;

use std::path::{Path, PathBuf};

use tokio::sync::{Mutex, MutexGuard};

pub(crate) use cluster::Cluster;
pub(crate) use dev::Dev;
pub(crate) use eventually::{eventually, until};
pub(crate) use instance::{AUDIENCE, Client, Instance, Server, free_port};
pub(crate) use postgres::Database;
pub(crate) use process::{Finished, Process, command, run, run_with_input};
pub(crate) use programs::{example, shared_object};
pub(crate) use proxy::{Fault, Proxy};
pub(crate) use wire::Wire;

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_countersign");

static ALONE: Mutex<()> = Mutex::const_new(());

/// Tests that measure time and tests that keep both processors busy run one after
/// the other.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
