//! No test may run on one engine only.

use std::collections::BTreeSet;
use std::process::Command;

#[test]
fn every_test_runs_on_both_engines() {
    let listed = Command::new(std::env::current_exe().unwrap()).arg("--list").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let of = |engine: &str| -> BTreeSet<&str> { listed.lines().filter_map(|line| line.strip_prefix(engine)).collect() };
    let (sqlite, postgres) = (of("sqlite::"), of("postgres::"));
    assert_eq!(sqlite, postgres);
    assert!(sqlite.len() > 100, "only {} tests", sqlite.len());
}
