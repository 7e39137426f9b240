//! The only place that writes to standard output and standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use countersign_protocol::Clock as _;
use countersign_verify::SystemClock;
use serde_json::{Value, json};

use super::api::{ApiError, Items, Reply};
use super::view::{Screen, labelled, table};
use crate::config::{Environment as _, ProcessEnvironment};

/// What the user has to do something about.
const REFUSED: u8 = 1;
/// What is no fault of the user.
const UNEXPECTED: u8 = 2;

/// Prints for people, or JSON for scripts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    json: bool,
}

impl Printer {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// The result of a command: `value` for scripts, `text` for people.
    pub(crate) fn result(self, value: &Value, text: &str) {
        if self.json { write_line(io::stdout(), value) } else { write_line(io::stdout(), text) }
    }

    /// A list, with these members as columns.
    pub(super) fn items(self, list: &Items, columns: &[&str]) {
        let value = json!({ "items": list.items, "next_cursor": list.next_cursor });
        self.result(&value, &table(&list.items, columns, screen()));
        if list.next_cursor.is_some() {
            self.note("There are more: raise --limit.");
        }
    }

    /// An object.
    pub(super) fn object(self, reply: &Reply) {
        self.result(&reply.body, &for_people(reply));
    }

    /// An object as people read it.
    #[expect(clippy::unused_self, reason = "beside the others")]
    pub(super) fn object_text(self, reply: &Reply) -> String {
        for_people(reply)
    }

    /// An object and one that came with it: a member for scripts, below it for people.
    pub(super) fn object_with(self, reply: &Reply, (name, other): (&str, &Reply)) {
        let mut value = reply.body.clone();
        if let Some(members) = value.as_object_mut() {
            members.insert(name.to_owned(), other.body.clone());
        }
        self.result(&value, &format!("{}\n\n{}", for_people(reply), for_people(other)));
    }

    /// An object, and below it the lists among its members as tables with these columns.
    pub(super) fn object_with_tables(self, reply: &Reply, tables: &[(&str, &[&str])]) {
        let mut rest = reply.body.clone();
        let mut text = String::new();
        for (name, columns) in tables {
            let items = rest.as_object_mut().and_then(|members| members.remove(*name));
            let items = items.as_ref().and_then(Value::as_array).filter(|items| !items.is_empty());
            if let Some(items) = items {
                text.push_str(&format!("\n\n{name}\n{}", table(items, columns, screen())));
            }
        }
        let rest = Reply { body: rest, etag: reply.etag.clone() };
        self.result(&reply.body, &format!("{}{text}", for_people(&rest)));
    }

    /// Data that has a form of its own, such as lines of JSON.
    pub(super) fn raw(self, text: &str) {
        write_line(io::stdout(), text);
    }

    /// Remarks for people; scripts do not see them on standard output.
    pub(crate) fn note(self, text: &str) {
        write_line(io::stderr(), text);
    }

    /// A question without a line end. Says whether somebody is there to answer.
    pub(super) fn ask(self, question: &str) -> bool {
        let is_there = io::stdin().is_terminal() && io::stderr().is_terminal();
        if is_there {
            let mut stderr = io::stderr();
            let _ = write!(stderr, "{question}").and_then(|()| stderr.flush());
        }
        is_there
    }

    /// Why a command failed, with its causes, and what may help.
    pub(crate) fn failure(self, error: &anyhow::Error) -> ExitCode {
        let refused = error.downcast_ref::<ApiError>();
        let text = crate::log::chain(error.as_ref());
        let hint = refused.and_then(ApiError::hint);
        if self.json {
            let mut members = refused.map(ApiError::members).unwrap_or_default();
            members.insert("error".to_owned(), text.into());
            members.insert("hint".to_owned(), hint.into());
            write_line(io::stdout(), Value::Object(members));
        } else {
            let text: Vec<String> = text.lines().map(super::view::clean).collect();
            write_line(io::stderr(), format_args!("error: {}", text.join("\n")));
            if let Some(hint) = hint {
                write_line(io::stderr(), format_args!("hint: {hint}"));
            }
        }
        ExitCode::from(if refused.is_some_and(ApiError::is_unexpected) { UNEXPECTED } else { REFUSED })
    }

    /// What clap says of the arguments: help and the version are no failure.
    pub(super) fn usage(self, error: &clap::Error) -> ExitCode {
        // It knows which stream, and whether that shows colours.
        let _ = error.print();
        if error.use_stderr() { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS }
    }
}

fn for_people(reply: &Reply) -> String {
    let version = reply.etag.as_deref().map(|etag| ("version", etag.trim_matches('"')));
    labelled(&reply.body, version.as_slice(), screen())
}

fn screen() -> Screen {
    let is_terminal = io::stdout().is_terminal();
    let width = is_terminal.then(terminal_size::terminal_size).flatten().map(|(width, _)| usize::from(width.0));
    Screen { width, colours: is_terminal && !ProcessEnvironment.refuses_colours(), now: SystemClock.now() }
}

/// Whoever reads may have closed the pipe (`| head -1`): that is no failure of ours.
fn write_line(mut stream: impl Write, line: impl Display) {
    let _ = writeln!(stream, "{line}");
}
