//! What an application takes in with this crate.

use std::process::Command;

/// The direct dependencies of the default form, `cargo tree --depth 1`.
fn direct_dependencies() -> Vec<String> {
    let arguments = ["tree", "-p", "countersign-verify", "-e", "normal", "--depth", "1", "--prefix", "none", "--offline"];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().skip(1).filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn at_most_16_direct_dependencies_each_with_a_reason() {
    let dependencies = direct_dependencies();
    assert!(dependencies.len() <= 16, "{}: {dependencies:?}", dependencies.len());
    let (_, manifest) = include_str!("../../Cargo.toml").split_once("[dependencies]").unwrap();
    for name in &dependencies {
        let line = manifest.lines().find(|line| line.starts_with(&format!("{name}.")) || line.starts_with(&format!("{name} =")));
        let reason = line.and_then(|line| line.split_once('#')).map_or("", |(_, reason)| reason.trim());
        assert!(reason.len() > 10, "{name} needs a reason in Cargo.toml");
    }
}
