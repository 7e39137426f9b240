//! The helper programs of these tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::SystemTime;

/// An example program of this crate. `cargo test` builds the examples unless it is
/// told to build one target only; then this builds what is missing or outdated.
pub(crate) fn example(name: &str) -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = BUILDING.lock();
    let built = std::env::current_exe().unwrap().parent().unwrap().join("../examples").join(name);
    if !is_up_to_date(&built) {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", env!("CARGO_PKG_NAME"), "--example", name]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the program {name} cannot be built");
    }
    built
}

/// Compares with the sources, which cargo lists beside the program.
fn is_up_to_date(program: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
    let (Ok(built), Ok(listed)) = (changed(program), std::fs::read_to_string(program.with_extension("d"))) else { return false };
    let sources = listed.split_once(": ").map_or("", |(_, sources)| sources);
    let is_older = |source: &str| changed(Path::new(source)).is_ok_and(|changed: SystemTime| changed <= built);
    sources.split_whitespace().all(is_older)
}

/// Compiles a C source of `programs/` to a shared object in `folder`.
pub(crate) fn shared_object(source: &str, folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/processes/programs").join(source);
    let object = folder.join(source.file_name().unwrap()).with_extension("so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&object)
        .arg(&source)
        .status();
    assert!(compiled.unwrap().success(), "{} does not compile", source.display());
    object
}
