//! Lines on their way to standard error. A thread writes them: whoever serves does not
//! wait for whoever reads the log, and lines that find no place are dropped and counted.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

/// Most lines that wait: some seconds of a busy server's.
const MOST_WAITING: usize = 8_192;
/// How long an end waits for the lines before it.
const FLUSH: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<SyncSender<Message>> = OnceLock::new();
static DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);
/// Of these, how many the log does not tell of yet.
static UNTOLD: AtomicU64 = AtomicU64::new(0);

enum Message {
    Line(Vec<u8>),
    /// To be answered when all lines before it are written.
    Flush(SyncSender<()>),
}

/// Makes a writer for each line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines;

/// One line, sent when it is complete.
#[derive(Debug, Default)]
pub(crate) struct Line(Vec<u8>);

/// Starts the thread, once.
pub(crate) fn start() {
    QUEUE.get_or_init(|| {
        let (sender, messages) = sync_channel(MOST_WAITING);
        // Without it the first lines fill the queue and the rest are dropped.
        let _ = std::thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&messages));
        sender
    });
}

/// How many lines were dropped.
pub(crate) fn dropped() -> Counter {
    DROPPED.clone()
}

/// Waits until the lines so far are written, but not for a reader who is gone.
pub(crate) fn flush() {
    let Some(queue) = QUEUE.get() else { return };
    let (sender, written) = sync_channel(1);
    if queue.try_send(Message::Flush(sender)).is_ok() {
        let _ = written.recv_timeout(FLUSH);
    }
}

fn write_all(messages: &Receiver<Message>) {
    for message in messages {
        match message {
            Message::Line(line) => {
                let _ = io::stderr().write_all(&line);
                match UNTOLD.swap(0, Ordering::SeqCst) {
                    0 => {}
                    lines => tracing::warn!(lines, "lines of the log were dropped: nobody read them in time"),
                }
            }
            Message::Flush(written) => {
                let _ = written.send(());
            }
        }
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line::default()
    }
}

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let line = std::mem::take(&mut self.0);
        let is_sent = QUEUE.get().is_some_and(|queue| queue.try_send(Message::Line(line)).is_ok());
        if !is_sent {
            DROPPED.inc();
            UNTOLD.fetch_add(1, Ordering::SeqCst);
        }
    }
}
