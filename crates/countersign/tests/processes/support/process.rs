//! The binary under test, as a process: one that ends by itself, or one that runs
//! until it is told to stop.

use std::ffi::OsStr;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::{eventually, until};

/// A command with an environment of its own, working in `folder`. It ends with
/// whoever holds it.
pub(crate) fn command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_clear().env("HOME", folder).env("XDG_CONFIG_HOME", folder.join("config"));
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin").kill_on_drop(true).stdin(Stdio::null());
    command
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Standard output of a process that succeeded.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// Standard output of a process that succeeded, as JSON.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let stdout = self.success();
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
    }

    /// Standard error of a process that refused.
    #[track_caller]
    pub(crate) fn refusal(self) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (Some(1), ""), "{self:?}");
        self.stderr
    }
}

/// Runs a command to its end.
pub(crate) async fn run(command: &mut Command) -> Finished {
    let output = until("a command", command.output()).await.unwrap();
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a command to its end with this standard input.
pub(crate) async fn run_with_input(command: &mut Command, input: &str) -> Finished {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input.as_bytes()).unwrap();
    file.rewind().unwrap();
    run(command.stdin(file)).await
}

/// A process that runs until it is stopped, with everything it printed.
pub(crate) struct Process {
    child: Child,
    stdout: Captured,
    stderr: Captured,
}

struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Captured::new(child.stdout.take().unwrap());
        let stderr = Captured::new(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    pub(crate) fn stdout(&self) -> Vec<u8> {
        self.stdout.bytes.lock().unwrap().clone()
    }

    pub(crate) fn stderr(&self) -> Vec<u8> {
        self.stderr.bytes.lock().unwrap().clone()
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("the process has ended already")
    }

    /// Everything printed so far, for messages.
    pub(crate) fn printed(&self) -> String {
        format!("{}\n{}", String::from_utf8_lossy(&self.stdout()), String::from_utf8_lossy(&self.stderr()))
    }

    /// Waits until a text was printed on either stream; the process must not end first.
    pub(crate) async fn prints(&mut self, text: &str) {
        eventually(text, async || {
            // In this order: what was printed before the end counts.
            let ended = self.child.try_wait().unwrap();
            let printed = self.printed();
            assert!(ended.is_none() || printed.contains(text), "ended with {ended:?} before `{text}`: {printed}");
            printed.contains(text).then_some(())
        })
        .await;
    }

    /// Sends a signal by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("the process has ended already").to_string();
        let sent = Command::new("/bin/sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &id]).status().await;
        assert!(sent.unwrap().success());
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end by itself and for the rest of what it printed.
    pub(crate) async fn ends(&mut self) -> ExitStatus {
        let status = until("the end of a process", self.child.wait()).await.unwrap();
        self.stdout.complete().await;
        self.stderr.complete().await;
        status
    }

    /// Sends SIGTERM and expects a clean end.
    pub(crate) async fn stop(&mut self) {
        self.signal("TERM").await;
        let status = self.ends().await;
        assert_eq!(status.code(), Some(0), "{}", self.printed());
    }
}

impl Captured {
    fn new(mut stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let reader = tokio::spawn(async move {
            let mut chunk = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = stream.read(&mut chunk).await {
                sink.lock().unwrap().extend_from_slice(&chunk[..length]);
            }
        });
        Self { bytes, reader }
    }

    async fn complete(&mut self) {
        let _ = (&mut self.reader).await;
    }
}
