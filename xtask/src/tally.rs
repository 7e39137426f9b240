//! Counts tests by reading what their runners print.

use std::io::{BufRead, BufReader, Read, Write};
use std::ops::AddAssign;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{print, process};

/// Who prints the closing lines.
#[derive(Clone, Copy)]
pub(crate) enum Runner {
    /// `test result: ok. 3 passed; 0 failed; ...`, once for each test program.
    CargoTest,
    /// `3 passed, 0 failed`.
    Clients,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    /// An error when anything failed or nothing was tested.
    pub(crate) fn into_result(self) -> Result<()> {
        match self {
            Self { passed: 0, failed: 0 } => bail!("nothing was tested"),
            Self { failed: 0, .. } => Ok(()),
            Self { failed, .. } => bail!("{failed} failed"),
        }
    }

    /// Reads the counts of a closing line; other lines have none.
    fn read(line: &str, runner: Runner) -> Option<Self> {
        let counts = match runner {
            Runner::CargoTest => line.strip_prefix("test result: ")?.split_once(". ")?.1,
            Runner::Clients => line,
        };
        let mut counts = counts.split([',', ';']).map(str::trim);
        let passed = counts.next()?.strip_suffix(" passed")?.parse().ok()?;
        let failed = counts.next()?.strip_suffix(" failed")?.parse().ok()?;
        Some(Self { passed, failed })
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Runs a test runner, shows its output as it comes and counts. A runner that fails without a failed test (it did
/// not compile, it crashed) counts as one failure.
pub(crate) fn run(command: &mut Command, runner: Runner) -> Result<Tally> {
    run_reading(command, runner, |_| {})
}

/// The same for who wants to see the lines.
pub(crate) fn run_reading(command: &mut Command, runner: Runner, seen: impl FnMut(&str)) -> Result<Tally> {
    print::line(&format!("$ {}", process::shown(command)));
    run_into(command, runner, &mut std::io::stdout(), seen)
}

fn run_into(command: &mut Command, runner: Runner, screen: &mut impl Write, seen: impl FnMut(&str)) -> Result<Tally> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{}`", process::shown(command)))?;
    let output = child.stdout.take().context("stdout is not a pipe")?;
    let counted = show_and_count(output, runner, screen, seen);
    let status = child.wait().context("cannot wait for the end of the tests")?;
    let mut tally = counted?;
    if !status.success() && tally.failed == 0 {
        print::error(&format!("`{}` failed: {status}", process::shown(command)));
        tally.failed = 1;
    }
    Ok(tally)
}

fn show_and_count(output: impl Read, runner: Runner, screen: &mut impl Write, mut seen: impl FnMut(&str)) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).context("cannot read the output of the tests")? > 0 {
        screen.write_all(&line).context("cannot show the output of the tests")?;
        let text = String::from_utf8_lossy(&line);
        seen(text.trim_end());
        if let Some(counts) = Tally::read(text.trim_end(), runner) {
            tally += counts;
        }
        line.clear();
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_closing_lines_of_cargo_test_and_nothing_else() {
        let read = |line| Tally::read(line, Runner::CargoTest).map(|tally| (tally.passed, tally.failed));
        assert_eq!(read("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; finished in 0.01s"), Some((12, 0)));
        assert_eq!(read("test result: FAILED. 3 passed; 2 failed; 0 ignored"), Some((3, 2)));
        for line in ["", "test a_test ... ok", "running 3 tests", "1 passed, 1 failed", "so test result: ok. 1 passed; 0 failed"] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn reads_the_closing_line_of_the_client_tests_and_nothing_else() {
        let read = |line| Tally::read(line, Runner::Clients).map(|tally| (tally.passed, tally.failed));
        assert_eq!(read("31 passed, 1 failed"), Some((31, 1)));
        for line in ["ok     node/jose.mjs: good environment", "passed, failed", "1 passed", "so 1 passed, 0 failed"] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn shows_everything_and_counts() {
        let (mut screen, mut seen) = (Vec::new(), Vec::new());
        let script = "echo 2 passed, 0 failed; echo other; echo 1 passed, 1 failed; exit 1";
        let tally =
            run_into(Command::new("sh").args(["-c", script]), Runner::Clients, &mut screen, |line| seen.push(line.to_owned()))
                .unwrap();
        assert_eq!(tally, Tally { passed: 3, failed: 1 });
        assert_eq!(seen, ["2 passed, 0 failed", "other", "1 passed, 1 failed"]);
        assert_eq!(screen, b"2 passed, 0 failed\nother\n1 passed, 1 failed\n");
    }

    #[test]
    fn counts_a_runner_that_fails_without_a_failed_test_as_a_failure() {
        let script = "echo 'test result: ok. 2 passed; 0 failed'; exit 101";
        let tally = run_into(Command::new("sh").args(["-c", script]), Runner::CargoTest, &mut Vec::new(), |_| {}).unwrap();
        assert_eq!(tally, Tally { passed: 2, failed: 1 });
    }

    #[test]
    fn nothing_tested_is_no_success() {
        assert!(Tally::default().into_result().is_err());
        assert!(Tally { passed: 1, failed: 0 }.into_result().is_ok());
        assert!(Tally { passed: 1, failed: 1 }.into_result().is_err());
    }
}
