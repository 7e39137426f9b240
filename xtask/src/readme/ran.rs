//! Runs one printed command in a shell.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::background::send_signal;
use crate::clock::Deadline;

/// Written by curl before the status.
const MARK: &str = "countersign-http-status:";

/// A command that ended.
pub(crate) struct Ran {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// Runs it as printed, except that curl also writes the HTTP status to stderr. The inner error: it did not end.
    pub(crate) fn run(command: &str, folder: &Path, limit: Duration) -> Result<Result<Self, String>> {
        let mut shell = Command::new("sh");
        // A group of its own, so that all of it can be killed.
        shell.args(["-c", &with_status(command)]).process_group(0);
        super::in_folder(&mut shell, folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = shell.spawn().context("cannot run sh")?;
        let stdout = read_to_end(child.stdout.take().context("no stdout")?);
        let stderr = read_to_end(child.stderr.take().context("no stderr")?);
        let deadline = Deadline::after(limit);
        let (Ok(stdout), Ok(stderr)) = (stdout.recv_timeout(deadline.left()), stderr.recv_timeout(deadline.left())) else {
            kill_group(&mut child)?;
            return Ok(Err(format!("it still ran after {} s", limit.as_secs())));
        };
        let status = child.wait().context("cannot wait for a command")?;
        Ok(Ok(Self { status, stdout, stderr }))
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.status.success()
    }

    pub(crate) fn stdout(&self) -> &str {
        &self.stdout
    }

    /// Of the answer to the command's own curl.
    pub(crate) fn http_status(&self) -> Option<u16> {
        let (_, from_status) = self.stderr.rsplit_once(MARK)?;
        from_status.get(..3)?.parse().ok()
    }

    /// Everything that it wrote, for people.
    pub(crate) fn output(&self) -> String {
        format!("{}\n{}\n{}", self.status, self.stdout.trim_end(), self.stderr.trim_end())
    }
}

fn with_status(command: &str) -> String {
    match command.strip_prefix("curl ") {
        Some(rest) => format!("curl -w '%{{stderr}}\\n{MARK}%{{http_code}}\\n' {rest}"),
        _ => command.to_owned(),
    }
}

fn read_to_end(mut output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = output.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

fn kill_group(child: &mut Child) -> Result<()> {
    send_signal("KILL", &format!("-{}", child.id()))?;
    child.wait().map(drop).context("cannot wait for a command")
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;
    use crate::temp_folder::TempFolder;

    const LONG: Duration = Duration::from_secs(60);

    fn run(command: &str, limit: Duration) -> Result<Ran, String> {
        let folder = TempFolder::create("test").unwrap();
        Ran::run(command, folder.path(), limit).unwrap()
    }

    /// Answers one request; returns the address.
    fn server(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        format!("http://{address}/")
    }

    #[test]
    fn knows_the_status_of_curl_and_keeps_its_output() {
        let url = server("HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope");
        let ran = run(&format!("curl {url} | cat"), LONG).ok().unwrap();
        assert!(ran.succeeded());
        assert_eq!((ran.http_status(), ran.stdout()), (Some(403), "nope"));
    }

    #[test]
    fn a_command_of_another_program_is_run_as_it_is() {
        let ran = run("echo \"$HOME\" >&2; exit 3", LONG).ok().unwrap();
        assert!(!ran.succeeded());
        assert!(ran.output().contains("countersign-test-"), "{}", ran.output());
        assert_eq!(ran.http_status(), None);
    }

    #[test]
    fn ends_a_command_with_all_that_it_started() {
        assert!(run("sleep 60 | sleep 60", Duration::from_millis(50)).is_err());
    }
}
