//! Entries from NDJSON or CSV, never more than a batch of them in memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Map, Value};

use super::Format;
use super::report::Failures;

/// Most entries of a batch: the server takes no more.
const MAX_ENTRIES: usize = 1_000;
/// Most text of a batch, in bytes: the server takes 4 MiB.
const MAX_BYTES: usize = 3 * 1024 * 1024;
/// Longest line, in bytes.
const MAX_LINE_BYTES: u64 = 256 * 1024;

/// Columns whose cells are lists, separated by spaces.
const LISTS: [&str; 3] = ["permissions", "roles", "allowed_networks"];
/// Columns whose cells are JSON.
const JSON: [&str; 2] = ["metadata", "enabled"];

/// Entries that are sent together, with their lines.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) entries: Vec<Value>,
    /// The line of each, from 1.
    pub(super) lines: Vec<u64>,
}

/// Reads entries.
pub(super) struct Entries {
    source: Source,
    defaults: Vec<(&'static str, Value)>,
    /// Read, and too much for the batch before.
    left: Option<(Value, u64, usize)>,
}

enum Source {
    Csv { reader: Box<csv::Reader<Box<dyn Read + Send>>>, header: Vec<String> },
    Ndjson { reader: BufReader<Box<dyn Read + Send>>, line: u64 },
}

/// An entry, or why a line is none.
type Line = (u64, Result<(Value, usize), String>);

impl Entries {
    pub(super) fn open(path: &Path, format: Format, defaults: Vec<(&'static str, Value)>) -> anyhow::Result<Self> {
        let input: Box<dyn Read + Send> = if path.as_os_str() == "-" {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).with_context(|| format!("cannot read {}", path.display()))?)
        };
        Self::of(input, format, defaults)
    }

    fn of(input: Box<dyn Read + Send>, format: Format, defaults: Vec<(&'static str, Value)>) -> anyhow::Result<Self> {
        let source = match format {
            Format::Ndjson => Source::Ndjson { reader: BufReader::new(input), line: 0 },
            Format::Csv => {
                let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
                let header =
                    reader.headers().context("the first line is no header")?.iter().map(|name| name.trim().to_owned()).collect();
                Source::Csv { reader: Box::new(reader), header }
            }
        };
        Ok(Self { source, defaults, left: None })
    }

    /// The next entries; what is none goes to `failures`.
    pub(super) fn next_batch(&mut self, failures: &mut Failures) -> anyhow::Result<Option<Batch>> {
        let mut batch = Batch { entries: Vec::new(), lines: Vec::new() };
        let mut bytes = 0;
        while batch.entries.len() < MAX_ENTRIES {
            let (entry, line, length) = match self.left.take() {
                Some(left) => left,
                None => match self.source.next()? {
                    None => break,
                    Some((line, Ok((entry, length)))) => (self.completed(entry), line, length),
                    Some((line, Err(reason))) => {
                        failures.add(line, None, &reason)?;
                        continue;
                    }
                },
            };
            if bytes + length > MAX_BYTES && !batch.entries.is_empty() {
                self.left = Some((entry, line, length));
                break;
            }
            bytes += length;
            batch.entries.push(entry);
            batch.lines.push(line);
        }
        Ok((!batch.entries.is_empty()).then_some(batch))
    }

    fn completed(&self, mut entry: Value) -> Value {
        if let Some(members) = entry.as_object_mut() {
            let is_hmac = members.get("scheme").and_then(Value::as_str).is_some_and(|scheme| scheme.starts_with("hmac-"));
            for (name, value) in self.defaults.iter().filter(|(name, _)| *name != "import_key_id" || is_hmac) {
                members.entry(*name).or_insert_with(|| value.clone());
            }
        }
        entry
    }
}

impl Source {
    fn next(&mut self) -> anyhow::Result<Option<Line>> {
        match self {
            Self::Ndjson { reader, line } => next_of_ndjson(reader, line),
            Self::Csv { reader, header } => {
                let mut record = csv::StringRecord::new();
                match reader.read_record(&mut record) {
                    Ok(false) => Ok(None),
                    Ok(true) => {
                        let line = record.position().map_or(0, csv::Position::line);
                        Ok(Some((line, entry_of_record(header, &record))))
                    }
                    Err(error) if error.is_io_error() => Err(error).context("the input cannot be read"),
                    Err(error) => {
                        Ok(Some((error.position().map_or(0, csv::Position::line), Err("no line of CSV in UTF-8".to_owned()))))
                    }
                }
            }
        }
    }
}

fn next_of_ndjson(reader: &mut BufReader<Box<dyn Read + Send>>, line: &mut u64) -> anyhow::Result<Option<Line>> {
    loop {
        let mut text = Vec::new();
        let read = reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut text).context("the input cannot be read")?;
        if read == 0 {
            return Ok(None);
        }
        *line += 1;
        if read as u64 == MAX_LINE_BYTES && text.last() != Some(&b'\n') {
            skip_line(reader)?;
            return Ok(Some((*line, Err(format!("longer than {MAX_LINE_BYTES} bytes")))));
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let entry = serde_json::from_slice::<Map<String, Value>>(&text);
        let entry = entry.map(|members| (Value::Object(members), text.len())).map_err(|_| "no JSON object".to_owned());
        return Ok(Some((*line, entry)));
    }
}

fn skip_line(reader: &mut impl BufRead) -> anyhow::Result<()> {
    loop {
        let buffer = reader.fill_buf().context("the input cannot be read")?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let (length, is_end) = (end.map_or(buffer.len(), |at| at + 1), end.is_some() || buffer.is_empty());
        reader.consume(length);
        if is_end {
            return Ok(());
        }
    }
}

/// An empty cell is an absent member.
fn entry_of_record(header: &[String], record: &csv::StringRecord) -> Result<(Value, usize), String> {
    if record.len() != header.len() {
        return Err(format!("{} cells under {} names", record.len(), header.len()));
    }
    let mut members = Map::new();
    for (name, cell) in header.iter().zip(record).filter(|(_, cell)| !cell.is_empty()) {
        let value = if LISTS.contains(&name.as_str()) {
            cell.split_whitespace().collect()
        } else if JSON.contains(&name.as_str()) {
            serde_json::from_str(cell).map_err(|_| format!("`{name}` is no JSON"))?
        } else {
            Value::from(cell)
        };
        members.insert(name.clone(), value);
    }
    let length = record.as_slice().len() + header.iter().map(String::len).sum::<usize>();
    Ok((Value::Object(members), length))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str, format: Format) -> (Vec<(u64, Value)>, u64) {
        let defaults = vec![("client_id", json!("c")), ("import_key_id", json!("ik_1"))];
        let mut entries = Entries::of(Box::new(io::Cursor::new(text.to_owned())), format, defaults).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut failures = Failures::new(folder.path().join("failures"));
        let mut read = Vec::new();
        while let Some(batch) = entries.next_batch(&mut failures).unwrap() {
            assert!(batch.entries.len() <= MAX_ENTRIES);
            read.extend(batch.lines.into_iter().zip(batch.entries));
        }
        (read, failures.written())
    }

    #[test]
    fn lines_of_json_keep_their_numbers_and_what_is_none_is_told() {
        let long = format!("{{\"hash\":\"{}\"}}", "x".repeat(300_000));
        let text = format!("{{\"hash\":\"a\"}}\n\nno\n{long}\n{{\"hash\":\"b\",\"client_id\":\"own\"}}");
        let (entries, failed) = read(&text, Format::Ndjson);
        let expected = vec![(1, json!({ "hash": "a", "client_id": "c" })), (5, json!({ "hash": "b", "client_id": "own" }))];
        assert_eq!((entries, failed), (expected, 2));
    }

    #[test]
    fn cells_are_texts_lists_and_json() {
        let text = "hash,scheme,roles,metadata,allowed_networks,enabled,name\n\
                    a,hmac-sha256,x y,\"{\"\"k\"\": 1}\",::1,false,\"one, two\"\n\
                    b,,,,,,\n\
                    c,,,{,,,\n\
                    d\n";
        let (entries, failed) = read(text, Format::Csv);
        let first = json!({
            "hash": "a", "scheme": "hmac-sha256", "roles": ["x", "y"], "metadata": { "k": 1 }, "allowed_networks": ["::1"], "enabled": false,
            "name": "one, two", "client_id": "c", "import_key_id": "ik_1",
        });
        assert_eq!((entries, failed), (vec![(2, first), (3, json!({ "hash": "b", "client_id": "c" }))], 2));
    }

    #[test]
    fn batches_are_bounded_by_number_and_by_size() {
        let many: String = (0..2_500).map(|number| format!("{{\"hash\":\"{number}\"}}\n")).collect();
        assert_eq!(read(&many, Format::Ndjson).0.len(), 2_500);
        let large: String = (0..40).map(|_| format!("{{\"hash\":\"{}\"}}\n", "x".repeat(200_000))).collect();
        let mut entries = Entries::of(Box::new(io::Cursor::new(large)), Format::Ndjson, Vec::new()).unwrap();
        let mut failures = Failures::new("unused".into());
        let mut sizes = Vec::new();
        while let Some(batch) = entries.next_batch(&mut failures).unwrap() {
            sizes.push(batch.entries.len());
        }
        assert_eq!(sizes, [15, 15, 10]);
    }
}
