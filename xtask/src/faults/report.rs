//! What a long run writes.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::catalogue::{SCENARIOS, Scenario, State};
use crate::process;
use crate::tally::Tally;

pub(super) const PAGE: &str = "docs/faults.md";

/// What came of one scenario.
pub(super) struct Line {
    pub(super) scenario: &'static Scenario,
    pub(super) tally: Tally,
    /// In the words of its tests.
    pub(super) counted: Vec<String>,
    pub(super) took: Duration,
}

impl Line {
    pub(super) const fn passed(&self) -> bool {
        self.tally.failed == 0 && self.tally.passed > 0
    }

    /// For the screen.
    pub(super) fn shown(&self) -> String {
        format!("<== {} {}, {:.0} s", self.scenario.tag(), self.result(), self.took.as_secs_f64())
    }

    fn result(&self) -> String {
        let word = if self.passed() { "passed" } else { "FAILED" };
        format!("{word} ({} of {} tests)", self.tally.passed, self.tally.passed + self.tally.failed)
    }
}

/// What it ran on.
pub(super) fn machine() -> Result<String> {
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
    let (processors, memory) = (read("/proc/cpuinfo")?, read("/proc/meminfo")?);
    let after = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
        line.map_or("unknown", str::trim).to_owned()
    };
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let gib = after(&memory, "MemTotal").split(' ').next().and_then(|kib| kib.parse::<u64>().ok()).map_or(0, |kib| kib >> 20);
    let kernel = process::read(Command::new("uname").args(["-s", "-r"]))?;
    Ok(format!("{count} processors ({}), {gib} GiB of memory, {}", after(&processors, "model name"), kernel.trim()))
}

/// The page.
pub(super) fn render(date: &str, machine: &str, lines: &[Line]) -> String {
    let mut page = format!(
        "# Fault run\n\nWritten by `cargo xtask faults` on {date}. {machine}. Programs were built without optimisation, \
         cryptography and SQLite with.\nWhat each scenario is and which tests it has: [fault-scenarios.md](fault-scenarios.md).\n\n\
         | Scenario | What failed | What had to hold | What was counted | Result | Took |\n|---|---|---|---|---|---|\n"
    );
    for line in lines {
        let Scenario { what, must, .. } = line.scenario;
        let counted = if line.counted.is_empty() { "what its tests assert".to_owned() } else { line.counted.join("<br>") };
        let (result, seconds) = (line.result(), line.took.as_secs_f64());
        page.push_str(&format!("| {} | {what} | {must} | {counted} | {result} | {seconds:.0} s |\n", line.scenario.tag()));
    }
    page.push_str(&open_points());
    page
}

fn open_points() -> String {
    let points = SCENARIOS.iter().filter_map(|scenario| match scenario.state {
        State::Whole => None,
        State::Without(what) => Some(format!("- {}: not shown: {what}\n", scenario.tag())),
        State::Later(why) => Some(format!("- {} ({}): later: {why}\n", scenario.tag(), scenario.what)),
    });
    let points: String = points.collect();
    if points.is_empty() { points } else { format!("\n## Not shown by this run\n\n{points}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_passes_only_when_its_tests_ran_and_none_failed() {
        let line = |passed, failed| Line {
            scenario: &SCENARIOS[0],
            tally: Tally { passed, failed },
            counted: vec!["3 kills, 0 lost".to_owned()],
            took: Duration::from_secs(2),
        };
        assert!(line(1, 0).passed() && !line(0, 0).passed() && !line(1, 1).passed());
        let page = render("2026-01-02", "a machine", &[line(2, 1)]);
        assert!(page.contains("| 3 kills, 0 lost | FAILED (2 of 3 tests) | 2 s |"), "{page}");
    }

    #[test]
    fn a_machine_is_described_by_what_it_is() {
        let machine = machine().unwrap();
        assert!(machine.contains(" processors (") && !machine.starts_with('0') && !machine.contains(" 0 GiB"), "{machine}");
    }
}
