//! The long run.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::catalogue::{SCENARIOS, Scenario, State};
use super::report::{self, Line};
use super::{problems, tests_of};
use crate::clock::Stopwatch;
use crate::named_tests::{self, NamedTest};
use crate::postgres::{Cluster, NEEDED, Programs};
use crate::tally::{self, Runner, Tally};
use crate::{print, process, workspace};

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FaultOptions {
    /// Only name the scenarios.
    pub(crate) list: bool,
    /// How often each scenario repeats what it does, instead of its own number.
    pub(crate) cycles: Option<u64>,
    /// Only this one, for example `r22`.
    pub(crate) scenario: Option<String>,
}

/// Where the tests of a file are built: package and target.
const TARGETS: [(&str, &str, &str); 3] = [
    ("crates/countersign/tests/processes/", "countersign", "processes"),
    ("crates/countersign/tests/integration/", "countersign", "integration"),
    ("crates/verify/tests/verify/", "countersign-verify", "verify"),
];

/// Runs the scenarios one after the other and, when it runs them all, writes the report.
pub(crate) fn run(options: &FaultOptions) -> Result<()> {
    let root = workspace::root();
    let tests = named_tests::below(root, "crates")?;
    let problems = problems(SCENARIOS, &tests);
    if !problems.is_empty() {
        bail!("the fault scenarios and the tests differ:\n{}", problems.join("\n"));
    }
    let chosen = choose(options.scenario.as_deref())?;
    if options.list {
        for scenario in chosen {
            print::line(&listed(scenario));
        }
        return Ok(());
    }
    let cluster = Cluster::start(&Programs::find().map_err(|problem| anyhow::anyhow!("{NEEDED}: {problem}"))?)?;
    let mut lines = Vec::new();
    for scenario in chosen.into_iter().filter(|scenario| scenario.is_tested()) {
        print::heading(&listed(scenario));
        let line = run_one(scenario, &tests, options, &cluster)?;
        print::line(&line.shown());
        lines.push(line);
    }
    if options.scenario.is_none() {
        write_report(root, &lines)?;
    }
    match lines.iter().filter(|line| !line.passed()).count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} scenarios failed", lines.len()),
    }
}

fn choose(name: Option<&str>) -> Result<Vec<&'static Scenario>> {
    let chosen: Vec<&Scenario> = SCENARIOS.iter().filter(|scenario| name.is_none_or(|name| scenario.tag() == name)).collect();
    if chosen.is_empty() {
        bail!("there is no such scenario: `cargo xtask faults --list` names them");
    }
    Ok(chosen)
}

fn listed(scenario: &Scenario) -> String {
    let later = match scenario.state {
        State::Later(why) => format!(" (later: {why})"),
        State::Whole | State::Without(_) => String::new(),
    };
    format!("{} {}{later}", scenario.tag(), scenario.what)
}

fn run_one(scenario: &'static Scenario, tests: &[NamedTest], options: &FaultOptions, cluster: &Cluster) -> Result<Line> {
    let watch = Stopwatch::start();
    let (mut tally, mut counted) = (Tally::default(), Vec::new());
    for (folder, package, target) in TARGETS {
        if !tests_of(scenario, tests).any(|test| test.file.starts_with(folder)) {
            continue;
        }
        let mut command = process::cargo(["test", "--all-features", "--no-fail-fast", "--package", package, "--test", target]);
        command.args(["--", &format!("{}_", scenario.tag()), "--nocapture", "--test-threads", "1"]);
        command.env("COUNTERSIGN_FAULT_FORM", "long").envs(cluster.variables());
        command.envs(options.cycles.map(|cycles| ("COUNTERSIGN_FAULT_CYCLES", cycles.to_string())));
        let said = format!("fault {}: ", scenario.tag());
        tally += tally::run_reading(&mut command, Runner::CargoTest, |line| {
            counted.extend(line.split_once(&said).map(|(_, counted)| counted.to_owned()));
        })?;
    }
    Ok(Line { scenario, tally, counted, took: watch.elapsed() })
}

fn write_report(root: &Path, lines: &[Line]) -> Result<()> {
    let date = process::read(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let text = report::render(date.trim(), &report::machine()?, lines);
    std::fs::write(root.join(report::PAGE), text).with_context(|| format!("cannot write {}", report::PAGE))?;
    print::line(&format!("wrote {}", report::PAGE));
    Ok(())
}
