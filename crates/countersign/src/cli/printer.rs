//! The only place that writes to standard output and standard error.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::Value;

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

    /// Remarks for people; scripts do not see them on standard output.
    pub(crate) fn note(self, text: &str) {
        write_line(io::stderr(), text);
    }

    /// Why a command failed, with its causes.
    pub(crate) fn failure(self, error: &anyhow::Error) -> ExitCode {
        let text = crate::log::chain(error.as_ref());
        if self.json {
            write_line(io::stdout(), serde_json::json!({ "error": text }));
        } else {
            write_line(io::stderr(), format_args!("error: {text}"));
        }
        ExitCode::FAILURE
    }
}

/// Whoever reads may have closed the pipe (`| head -1`): that is no failure of ours.
fn write_line(mut stream: impl Write, line: impl Display) {
    let _ = writeln!(stream, "{line}");
}

/// Lines up rows under a header, two spaces apart.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            std::iter::once(&header)
                .chain(rows)
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    std::iter::once(&header).chain(rows).map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "b".to_owned()], vec!["long".to_owned(), "c".to_owned()]];
        assert_eq!(table(&["id", "name"], &rows), "id    name\na     b\nlong  c");
    }
}
