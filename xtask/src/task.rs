//! The command line.

use std::str::FromStr;

use crate::bench::{BenchOptions, DEFAULT_PAIRS};
use crate::faults::FaultOptions;
use crate::fuzz::{DEFAULT_SECONDS, FuzzOptions};
use crate::test::TestOptions;

pub(crate) const HELP: &str = "\
usage: cargo xtask TASK

  test [--no-install] [FILTER]  set up what the tests need, start a PostgreSQL of their own, run everything;
                                with FILTER only the Rust tests whose names contain it
  setup [--no-install]          only set up what the tests need
  postgres COMMAND...           run a command beside such a PostgreSQL, with the variables that the tests read
  readme                        run the commands that `countersign dev` prints
  docs [--check]                write the reference pages; with --check only compare them
  fuzz [--seconds N] [TARGET]   run every fuzz target, or one, for N seconds [default: 5]
  faults [--list] [--cycles N] [SCENARIO]
                                run the fault scenarios, or one, in their long form; all of them write docs/faults.md
  bench [--pairs N] [JOB]       measure every job, or one, against the least possible work and a peer [default: 20]
  help                          print this

  --no-install                  install nothing; fail with the list of what is missing";

/// One task with its options.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Help,
    Test(TestOptions),
    Setup { install: bool },
    Postgres { command: Vec<String> },
    Readme,
    Docs { check: bool },
    Faults(FaultOptions),
    Fuzz(FuzzOptions),
    Bench(BenchOptions),
}

impl Task {
    /// Reads the arguments after the program's name; the error is for the user.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let Some((name, rest)) = arguments.split_first() else { return Ok(Self::Help) };
        match name.as_str() {
            "help" | "--help" | "-h" => Ok(Self::Help),
            "test" => parse_test(rest),
            "setup" => Ok(Self::Setup { install: !switch("setup", rest, "--no-install")? }),
            "postgres" => parse_postgres(rest),
            "readme" => no_arguments(rest).map(|()| Self::Readme),
            "docs" => Ok(Self::Docs { check: switch("docs", rest, "--check")? }),
            "faults" => parse_faults(rest),
            "fuzz" => parse_fuzz(rest),
            "bench" => parse_bench(rest),
            unknown => Err(format!("there is no task `{unknown}`")),
        }
    }
}

fn parse_test(arguments: &[String]) -> Result<Task, String> {
    let mut options = TestOptions { install: true, filter: None };
    for argument in arguments {
        match argument.as_str() {
            "--no-install" => options.install = false,
            option if option.starts_with('-') => return Err(format!("`test` has no option `{option}`")),
            filter if options.filter.is_none() => options.filter = Some(filter.to_owned()),
            second => return Err(format!("`test` takes one filter, `{second}` is a second one")),
        }
    }
    Ok(Task::Test(options))
}

fn parse_faults(arguments: &[String]) -> Result<Task, String> {
    let (switches, rest): (Vec<String>, Vec<String>) = arguments.iter().cloned().partition(|argument| argument == "--list");
    let (cycles, scenario) = number_and_name(&rest, "faults", "--cycles", "scenario")?;
    Ok(Task::Faults(FaultOptions { list: !switches.is_empty(), cycles, scenario }))
}

fn parse_fuzz(arguments: &[String]) -> Result<Task, String> {
    let (seconds, target) = number_and_name(arguments, "fuzz", "--seconds", "target")?;
    Ok(Task::Fuzz(FuzzOptions { seconds: seconds.unwrap_or(DEFAULT_SECONDS), target }))
}

fn parse_bench(arguments: &[String]) -> Result<Task, String> {
    let (pairs, job) = number_and_name(arguments, "bench", "--pairs", "job")?;
    Ok(Task::Bench(BenchOptions { pairs: pairs.unwrap_or(DEFAULT_PAIRS), job }))
}

/// The value of the only option, which is a number above 0, and the only argument, in any order.
fn number_and_name<N: FromStr + Default + PartialOrd>(
    arguments: &[String],
    task: &str,
    option: &str,
    noun: &str,
) -> Result<(Option<N>, Option<String>), String> {
    let (mut number, mut name) = (None, None);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            given if given == option => {
                let above_0 = arguments.next().and_then(|text| text.parse().ok()).filter(|number| *number > N::default());
                number = Some(above_0.ok_or_else(|| format!("`{option}` needs a whole number above 0"))?);
            }
            unknown if unknown.starts_with('-') => return Err(format!("`{task}` has no option `{unknown}`")),
            given if name.is_none() => name = Some(given.to_owned()),
            second => return Err(format!("`{task}` takes one {noun}, `{second}` is a second one")),
        }
    }
    Ok((number, name))
}

fn parse_postgres(arguments: &[String]) -> Result<Task, String> {
    let command = match arguments {
        [dashes, command @ ..] if dashes == "--" => command,
        command => command,
    };
    if command.is_empty() { Err("`postgres` needs a command".to_owned()) } else { Ok(Task::Postgres { command: command.to_vec() }) }
}

fn switch(task: &str, arguments: &[String], name: &str) -> Result<bool, String> {
    match arguments {
        [] => Ok(false),
        [only] if only == name => Ok(true),
        _ => Err(format!("`{task}` takes only `{name}`")),
    }
}

fn no_arguments(arguments: &[String]) -> Result<(), String> {
    if arguments.is_empty() { Ok(()) } else { Err(format!("unexpected `{}`", arguments.join(" "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Task, String> {
        Task::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn reads_options_and_filter_in_any_order() {
        let expected = Task::Test(TestOptions { install: false, filter: Some("store".to_owned()) });
        assert_eq!(parse("test --no-install store"), Ok(expected));
        assert_eq!(parse("test"), Ok(Task::Test(TestOptions { install: true, filter: None })));
        assert_eq!(parse("docs --check"), Ok(Task::Docs { check: true }));
        assert_eq!(parse("postgres -- psql -l"), Ok(Task::Postgres { command: vec!["psql".to_owned(), "-l".to_owned()] }));
        let fuzz = FuzzOptions { seconds: 9, target: Some("jws".to_owned()) };
        assert_eq!(parse("fuzz jws --seconds 9"), Ok(Task::Fuzz(fuzz)));
        let faults = FaultOptions { list: false, cycles: Some(7), scenario: Some("r22".to_owned()) };
        assert_eq!(parse("faults r22 --cycles 7"), Ok(Task::Faults(faults)));
        assert_eq!(parse("faults --list"), Ok(Task::Faults(FaultOptions { list: true, ..FaultOptions::default() })));
        let bench = BenchOptions { pairs: 3, job: Some("token-rs256".to_owned()) };
        assert_eq!(parse("bench --pairs 3 token-rs256"), Ok(Task::Bench(bench)));
        assert_eq!(parse(""), Ok(Task::Help));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for line in [
            "tset",
            "test --fast",
            "test one two",
            "docs check",
            "readme now",
            "postgres",
            "postgres --",
            "fuzz --seconds",
            "fuzz --seconds 0",
            "fuzz a b",
            "faults --cycles 0",
            "faults a b",
            "faults --lost",
            "bench --pairs 0",
            "bench a b",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
