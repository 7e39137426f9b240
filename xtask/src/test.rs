//! Sets up what the tests need and runs everything.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::postgres::Cluster;
use crate::report::Report;
use crate::setup::Tools;
use crate::tally::{self, Runner, Tally};
use crate::{binary, process, readme, setup, workspace};

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TestOptions {
    /// Whether what is missing may be installed.
    pub(crate) install: bool,
    /// Only the Rust tests whose names contain this.
    pub(crate) filter: Option<String>,
}

pub(crate) fn run(options: &TestOptions) -> ExitCode {
    let mut report = Report::new();
    run_steps(&mut report, options);
    if report.finish().into_result().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Stops at the first step without which the following ones cannot run: it is in the report as a failure.
fn run_steps(report: &mut Report, options: &TestOptions) -> Option<()> {
    let tools = report.step("setup", || setup::run(options.install))?;
    let cluster = report.step("PostgreSQL", || Cluster::start_in_memory(&tools.postgres))?;
    let binary = report.step("build", binary::build)?;
    report.tests("cargo test", || cargo_test(options.filter.as_deref(), &cluster));
    if options.filter.is_none() {
        report.tests("client libraries, SQLite", || client_libraries(&tools, &binary, &[]));
        report.tests("client libraries, PostgreSQL", || {
            client_libraries(&tools, &binary, &cluster.server_configuration("client_libraries")?)
        });
        report.tests("pages in a browser", || browser(&tools, &binary));
        report.tests("commands of dev", || readme::run(&binary));
    }
    Some(())
}

fn cargo_test(filter: Option<&str>, cluster: &Cluster) -> Result<Tally> {
    let mut command = process::cargo(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    command.args(filter).envs(cluster.variables());
    tally::run(&mut command, Runner::CargoTest)
}

fn browser(tools: &Tools, binary: &Path) -> Result<Tally> {
    let mut command = Command::new("node");
    command.current_dir(workspace::clients()).args(["browser.mjs", "--countersign"]).arg(binary);
    tally::run(command.arg("--chromium").arg(&tools.chromium), Runner::Clients)
}

fn client_libraries(tools: &Tools, binary: &Path, configuration: &[(&str, String)]) -> Result<Tally> {
    let mut command = Command::new("node");
    command.envs(configuration.iter().map(|(name, value)| (name, value)));
    command.current_dir(workspace::clients()).args(["run.mjs", "--countersign"]).arg(binary);
    command.arg("--python").arg(&tools.python);
    tally::run(&mut command, Runner::Clients)
}
