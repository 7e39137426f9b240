//! Logging: one structured line per event on standard error.

use std::backtrace::Backtrace;
use std::error::Error;
use std::io::IsTerminal as _;
use std::time::Duration;

use countersign_protocol::Timestamp;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, registry};

use crate::config::{Environment as _, ProcessEnvironment};
use crate::log_queue::{self, Lines};
use crate::traces::Traces;

/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// An error with its causes, for a log line: `outer: inner: innermost`.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // A transparent wrapper repeats its source's text.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For a person.
    Text,
}

/// Starts logging, and tracing where there is an export. `level` holds for our own
/// crates; libraries log warnings.
pub fn start(format: Format, level: &str, traces: Option<&Traces>) {
    log_queue::start();
    // The default writes to standard error itself, and waits for whoever reads it.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(panic = %panic, backtrace = %Backtrace::capture(), "a thread panicked");
    }));
    let filter = EnvFilter::new(format!("warn,countersign={level},countersign_verify={level}"));
    match traces {
        None => start_log(format, filter),
        Some(traces) => start_both(format, filter, traces),
    }
}

fn start_both(format: Format, filter: EnvFilter, traces: &Traces) {
    let layer = fmt::layer().with_writer(Lines).with_ansi(has_colours());
    let log = match format {
        Format::Json => layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
        Format::Text => layer.with_target(false).boxed(),
    };
    let _ = registry().with(log.with_filter(filter)).with(traces.layer()).try_init();
}

fn start_log(format: Format, filter: EnvFilter) {
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines).with_ansi(has_colours());
    // A second start, in tests, keeps the first.
    let _ = match format {
        Format::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        Format::Text => builder.with_target(false).try_init(),
    };
}

/// Waits for what was logged to be written, at an end of the process.
pub fn flush() {
    log_queue::flush();
}

/// Does what writes to standard error by itself, at an end of the process: once there
/// is a log, nobody waits long for a reader who is gone.
pub fn at_the_end<T: Send + 'static>(write: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if !log_queue::is_started() {
        return Some(write());
    }
    let (sender, written) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || sender.send(write()));
    written.recv_timeout(LAST_WORDS).ok()
}

/// Neither a file nor a pipe shows colours.
fn has_colours() -> bool {
    std::io::stderr().is_terminal() && !ProcessEnvironment.refuses_colours()
}

/// A time for people and scripts: RFC 3339, UTC, milliseconds.
pub fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis()).map_or_else(|_| at.as_millis().to_string(), |time| format!("{time:.3}"))
}

/// Reads a time of RFC 3339 with any offset, to the millisecond.
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_always_shown() {
        assert_eq!(rfc3339(Timestamp::from_millis(1_700_000_000_000)), "2023-11-14T22:13:20.000Z");
    }
}
