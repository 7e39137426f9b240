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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::process;

    /// Stands in for the program: `dev` prints the given text, everything else prints a token.
    const PROGRAM: &str = r#"[ "$1" = dev ] || { echo abcdefghijklmnopqrstuvwxyz; exit; }
trap 'exit 0' TERM
printf '%s\n' "$TEXT"
while :; do sleep 0.01; done
"#;

    /// Written by another process: while this one has it open for writing, it could not be started.
    fn program(folder: &Path, text: &str) -> std::path::PathBuf {
        let path = folder.join("countersign");
        let source = format!("#!/bin/sh\nTEXT='{}'\n{PROGRAM}", text.replace("PROGRAM", &path.to_string_lossy()));
        let script = r#"printf '%s' "$1" > "$2"; chmod 700 "$2""#;
        process::read(Command::new("sh").args(["-c", script, "sh", &source]).arg(&path)).unwrap();
        path
    }

    fn walk_through(text: &str) -> Result<Tally> {
        let folder = TempFolder::create("test")?;
        run(&program(folder.path(), text))
    }

    #[test]
    fn runs_every_printed_command_and_compares() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming().take(2) {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                stream.write_all(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            }
        });
        let text = format!(
            "hello\n  # a token -> prints a token\n  PROGRAM token\n  # without it -> 401\n  curl -s {url}\n  \
             # with it -> 200\n  curl -s {url} -H \"Authorization: Bearer $(PROGRAM token)\"\n"
        );
        assert_eq!(walk_through(&text).unwrap(), Tally { passed: 2, failed: 1 });
    }

    #[test]
    fn a_program_that_ends_is_a_failure() {
        let error = run(Path::new("/bin/true")).unwrap_err().to_string();
        assert!(error.starts_with("`countersign dev` ended"), "{error}");
    }
}
