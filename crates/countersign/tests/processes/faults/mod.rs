//! The fault scenarios (`docs/fault-scenarios.md`): what the product does when something
//! around it fails. In the tests each runs in a short form; `cargo xtask faults` runs the
//! long ones and writes `docs/faults.md` from what they say.

mod copy;
mod disk;
mod ledger;
mod load;
mod r01_kills;
mod r03_rotation;
mod r04_r25_schema;
mod r05_r06_disk;
mod r08_r10_r11_postgres;
mod r20_slow_clients;
mod r22_restart;
mod r32_log;
pub(crate) mod size;

/// Says what a scenario counted, in the words of the report.
pub(crate) fn report(scenario: &str, counted: &str) {
    println!("fault {scenario}: {counted}");
}
