//! Lines on their way to standard error. A thread writes them: whoever serves does not
//! wait for whoever reads the log, and lines that find no place are dropped and counted.

use std::cell::Cell;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

/// Most lines that wait: some seconds of a busy server's.
const MOST_WAITING: usize = 8_192;
/// How long an end waits for the lines before it.
const FLUSH: Duration = Duration::from_secs(1);
/// How often, and how long apart, an end looks for a place in a full queue.
const PLACE_TRIES: usize = 200;
const PLACE_PAUSE: Duration = Duration::from_millis(5);

static QUEUE: OnceLock<SyncSender<Message>> = OnceLock::new();
static DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);
/// Of these, how many the log does not tell of yet.
static UNTOLD: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Whether a line of this thread found no place since this was reset.
    static UNSENT: Cell<bool> = const { Cell::new(false) };
}

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

/// Whether lines go through the queue.
pub(crate) fn is_started() -> bool {
    QUEUE.get().is_some()
}

/// How many lines were dropped.
pub(crate) fn dropped() -> Counter {
    DROPPED.clone()
}

/// Waits until the lines so far are written, but not for a reader who is gone.
pub(crate) fn flush() {
    let Some(queue) = QUEUE.get() else { return };
    let (sender, written) = sync_channel(1);
    let mut message = Message::Flush(sender);
    for _ in 0..PLACE_TRIES {
        match queue.try_send(message) {
            Ok(()) => {
                let _ = written.recv_timeout(FLUSH);
                return;
            }
            Err(TrySendError::Full(unsent)) => message = unsent,
            Err(TrySendError::Disconnected(_)) => return,
        }
        // Nothing comes yet: it is a wait for a place.
        let _ = written.recv_timeout(PLACE_PAUSE);
    }
}

fn write_all(messages: &Receiver<Message>) {
    for message in messages {
        match message {
            Message::Line(line) => {
                let _ = io::stderr().write_all(&line);
                tell_of_dropped();
            }
            Message::Flush(written) => {
                let _ = written.send(());
            }
        }
    }
}

/// What found no place is told of once the telling has one.
fn tell_of_dropped() {
    let lines = UNTOLD.load(Ordering::SeqCst);
    if lines > 0 {
        UNSENT.set(false);
        tracing::warn!(lines, "lines of the log were dropped: nobody read them in time");
        if !UNSENT.get() {
            UNTOLD.fetch_sub(lines, Ordering::SeqCst);
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
            UNSENT.set(true);
        }
    }
}
