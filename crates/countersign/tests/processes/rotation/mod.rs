//! Key rotation, seen by resource servers in processes of their own.

mod checker;
mod clock_server;
mod over_time;
mod under_load;

use std::path::Path;

use tokio::process::Command;

use crate::support::{command, example, workspace};

/// The verifier of this product.
fn verify_lines(folder: &Path) -> Command {
    command(example("verify_lines"), folder)
}

/// The most used verifier of others.
fn jose(folder: &Path) -> Command {
    let clients = workspace().join("tests/clients");
    let installed = clients.join("node_modules/jose").exists();
    assert!(installed, "jose is not installed: run `cargo xtask test`, or `npm ci` in {}", clients.display());
    let mut jose = command("node", folder);
    jose.arg(clients.join("rotation/jose-checker.mjs"));
    jose
}
