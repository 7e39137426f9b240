//! A program that measures when it is told to: each line it reads makes it answer some
//! lines, the last of which is `done`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::process;

/// Dropping it ends the program.
pub(super) struct Conversation {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Conversation {
    /// Starts it and waits until it says that it is ready.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let shown = process::shown(command);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run `{shown}`"))?;
        let (questions, answers) = (child.stdin.take(), child.stdout.take());
        let (Some(questions), Some(answers)) = (questions, answers) else { bail!("`{shown}` has no pipes") };
        let mut started = Self { child, questions, answers: BufReader::new(answers) };
        let said = started.line()?;
        ensure!(said == "ready", "`{shown}` says {said}");
        Ok(started)
    }

    /// Its answer.
    pub(super) fn ask(&mut self) -> Result<Vec<String>> {
        writeln!(self.questions).context("a program that measures has ended")?;
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            if line == "done" {
                return Ok(lines);
            }
            lines.push(line);
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line).context("cannot read what a program measures")? == 0 {
            bail!("a program that measures has ended");
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
