//! Fuzzing: every target for a moment, coverage-guided.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{print, process, workspace};

/// Seconds a target runs unless told otherwise.
pub(crate) const DEFAULT_SECONDS: u32 = 5;

/// What makes the compiler count coverage for libFuzzer. The address sanitizer would
/// need another compiler, and the code under test has no `unsafe`.
const COUNTERS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
];

/// What to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FuzzOptions {
    pub(crate) seconds: u32,
    pub(crate) target: Option<String>,
}

pub(crate) fn run(options: &FuzzOptions) -> Result<()> {
    let known = targets()?;
    let chosen: Vec<String> = match &options.target {
        Some(name) if known.contains(name) => vec![name.clone()],
        Some(name) => bail!("there is no fuzz target `{name}`; there are: {}", known.join(" ")),
        None => known,
    };
    let folder = workspace::target()?.join("fuzz");
    let programs = build(&folder)?;
    for name in &chosen {
        run_one(name, &programs, &folder, options.seconds)?;
    }
    print::line(&format!("{} fuzz targets, {} s each: nothing found", chosen.len(), options.seconds));
    Ok(())
}

/// The targets are the files of their folder.
fn targets() -> Result<Vec<String>> {
    let folder = workspace::root().join("fuzz/targets");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        names.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Build scripts must not be counted, so the target is named although it is the host.
fn build(folder: &Path) -> Result<PathBuf> {
    let said = process::read(Command::new("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not name its host")?;
    let mut command =
        process::cargo(["build", "--locked", "--profile", "fuzz", "--manifest-path", "fuzz/Cargo.toml", "--target", host]);
    process::run(command.env("RUSTFLAGS", COUNTERS.join(" ")).env("CARGO_TARGET_DIR", folder))?;
    Ok(folder.join(host).join("fuzz"))
}

/// Starts from the seeds and from what earlier runs found.
fn run_one(name: &str, programs: &Path, folder: &Path, seconds: u32) -> Result<()> {
    let found = folder.join("corpus").join(name);
    let crashes = folder.join("crashes").join(name);
    for needed in [&found, &crashes] {
        fs::create_dir_all(needed).with_context(|| format!("cannot create {}", needed.display()))?;
    }
    let mut command = Command::new(programs.join(name));
    command.arg(format!("-max_total_time={seconds}")).args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    command.arg(format!("-artifact_prefix={}/", crashes.display())).arg(&found);
    let seeds = workspace::root().join("fuzz/seeds").join(name);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run the fuzz target {name}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("the fuzz target {name} found something:\n{}", last_lines(&said, 60));
    }
    let inputs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:")).unwrap_or("?");
    print::line(&format!("fuzz {name}: {} inputs", inputs.trim()));
    Ok(())
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}
