//! A program that runs beside the task, whose output is read line by line. Dropping it ends it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::clock::Deadline;
use crate::process;

pub(crate) struct Background {
    child: Child,
    lines: Receiver<String>,
    ended: bool,
}

/// What came next on the output that is read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Line(String),
    /// Nothing within the time.
    Quiet,
    /// Nothing will come any more: the program ended.
    End,
}

impl Background {
    /// Starts it and reads its stdout; its stderr goes to the log.
    pub(crate) fn reading_stdout(command: &mut Command, log: &Path) -> Result<Self> {
        let log = create(log)?;
        let mut child = spawn(command.stdout(Stdio::piped()).stderr(log))?;
        let output = child.stdout.take().context("stdout is not a pipe")?;
        Ok(Self { child, lines: lines(output, None), ended: false })
    }

    /// Starts it and reads its stderr, which is also copied to the log; its stdout is dropped.
    pub(crate) fn reading_stderr(command: &mut Command, log: &Path) -> Result<Self> {
        let log = create(log)?;
        let mut child = spawn(command.stdout(Stdio::null()).stderr(Stdio::piped()))?;
        let output = child.stderr.take().context("stderr is not a pipe")?;
        Ok(Self { child, lines: lines(output, Some(log)), ended: false })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits at most this long for the next line.
    pub(crate) fn next_line(&self, at_most: Duration) -> Next {
        match self.lines.recv_timeout(at_most) {
            Ok(line) => Next::Line(line),
            Err(RecvTimeoutError::Timeout) => Next::Quiet,
            Err(RecvTimeoutError::Disconnected) => Next::End,
        }
    }

    /// Sends the signal and waits for the end; after the time it is an error, and the program is killed.
    pub(crate) fn stop(&mut self, signal: &str, at_most: Duration) -> Result<ExitStatus> {
        send_signal(signal, &self.id().to_string())?;
        let deadline = Deadline::after(at_most);
        loop {
            match self.next_line(deadline.left()) {
                Next::Line(_) => {}
                Next::Quiet => bail!("still ran {} s after SIG{signal}", at_most.as_secs()),
                Next::End => break,
            }
        }
        self.ended = true;
        self.child.wait().context("cannot wait for the end of a program")
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Sends a signal to a process, or with a minus before its number to a process group. Every shell has a `kill`
/// of its own; the program of that name is not installed everywhere.
pub(crate) fn send_signal(signal: &str, process: &str) -> Result<()> {
    process::read(Command::new("sh").args(["-c", &format!("kill -{signal} {process}")])).map(drop)
}

fn create(log: &Path) -> Result<File> {
    File::create(log).with_context(|| format!("cannot create {}", log.display()))
}

fn spawn(command: &mut Command) -> Result<Child> {
    command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot run `{}`", process::shown(command)))
}

fn lines(output: impl Read + Send + 'static, mut log: Option<File>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            if let Some(log) = &mut log {
                let _ = log.write_all(&line);
            }
            // Reading goes on when nobody listens: a full pipe would stop the program.
            let _ = sender.send(String::from_utf8_lossy(&line).trim_end().to_owned());
            line.clear();
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temp_folder::TempFolder;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str, folder: &TempFolder) -> Background {
        Background::reading_stdout(Command::new("sh").args(["-c", script]), &folder.path().join("log")).unwrap()
    }

    #[test]
    fn reads_line_by_line_until_the_end() {
        let folder = TempFolder::create("test").unwrap();
        let program = shell("echo one; echo aside >&2; printf two", &folder);
        assert_eq!(program.next_line(LONG), Next::Line("one".to_owned()));
        assert_eq!(program.next_line(LONG), Next::Line("two".to_owned()));
        assert_eq!(program.next_line(LONG), Next::End);
        assert_eq!(std::fs::read_to_string(folder.path().join("log")).unwrap(), "aside\n");
    }

    #[test]
    fn stops_by_signal_and_returns_the_exit_code() {
        let folder = TempFolder::create("test").unwrap();
        let mut program = shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done", &folder);
        assert_eq!(program.next_line(LONG), Next::Line("ready".to_owned()));
        assert_eq!(program.stop("TERM", LONG).unwrap().code(), Some(7));
    }

    #[test]
    fn one_that_does_not_stop_is_an_error() {
        let folder = TempFolder::create("test").unwrap();
        let mut program = shell("trap '' TERM; echo ready; exec sleep 60", &folder);
        assert_eq!(program.next_line(LONG), Next::Line("ready".to_owned()));
        assert!(program.stop("TERM", Duration::from_millis(20)).is_err());
    }
}
