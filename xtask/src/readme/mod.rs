//! Runs the commands that `countersign dev` prints, as a newcomer would: each must do what the line above it says.

mod expected;
mod printed;
mod ran;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::at_death::AtDeath;
use crate::background::{Background, Next};
use crate::clock::Deadline;
use crate::print;
use crate::tally::Tally;
use crate::temp_folder::TempFolder;
use printed::Printed;
use ran::Ran;

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(15);
/// For one printed command.
const COMMAND: Duration = Duration::from_secs(10);
/// After this long without a line, it has printed everything.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) fn run(binary: &Path) -> Result<Tally> {
    let folder = TempFolder::create("readme")?;
    let log = folder.path().join("log");
    let outcome = walk(binary, folder.path(), &log);
    if !matches!(outcome, Ok(Tally { failed: 0, .. })) {
        print::line(&format!("log of `countersign dev`:\n{}", fs::read_to_string(&log).unwrap_or_default().trim_end()));
    }
    outcome
}

fn walk(binary: &Path, folder: &Path, log: &Path) -> Result<Tally> {
    let mut command = Command::new(binary);
    command.args(["dev", "--ephemeral", "--port", "0", "--env-file"]).arg(folder.join("dev.env"));
    let mut server = Background::reading_stdout(in_folder(&mut command, folder), log)?;
    let _at_death = AtDeath::end(server.id(), "TERM", folder)?;
    let printed = printed::commands(&output(&server)?, binary);
    let tally = check_all(&printed, folder)?;
    let status = server.stop("TERM", STOP).context("`countersign dev`")?;
    if !status.success() {
        bail!("`countersign dev` ended with {status} after SIGTERM");
    }
    Ok(tally)
}

/// A command that keeps what it writes in this folder: `dev` writes a profile into the home folder.
fn in_folder<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    command.current_dir(folder).env("HOME", folder).env("XDG_CONFIG_HOME", folder.join("config"))
}

/// Every line until the commands are printed.
fn output(server: &Background) -> Result<Vec<String>> {
    let deadline = Deadline::after(START);
    let mut lines: Vec<String> = Vec::new();
    loop {
        let commands_began = lines.iter().any(|line| printed::is_curl(line));
        match server.next_line(if commands_began { PAUSE } else { deadline.left() }) {
            Next::Line(line) => lines.push(line),
            Next::Quiet if commands_began => return Ok(lines),
            Next::Quiet => bail!("no line with curl within {} s, only:\n{}", START.as_secs(), lines.join("\n")),
            Next::End => bail!("`countersign dev` ended, after printing:\n{}", lines.join("\n")),
        }
    }
}

fn check_all(commands: &[Printed], folder: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    for printed in commands {
        match check(printed, folder)? {
            Ok(()) => {
                tally.passed += 1;
                print::line(&format!("ok     {}", printed.summary()));
            }
            Err(problem) => {
                tally.failed += 1;
                print::line(&format!("FAILED {}: {problem}\n  {}", printed.summary(), printed.command));
            }
        }
    }
    Ok(tally)
}

/// The inner error is what is wrong with the command.
fn check(printed: &Printed, folder: &Path) -> Result<Result<(), String>> {
    let expected = match printed.expected() {
        Ok(expected) => expected,
        Err(problem) => return Ok(Err(problem)),
    };
    Ok(Ran::run(&printed.command, folder, COMMAND)?.and_then(|ran| expected.check(&ran)))
}
