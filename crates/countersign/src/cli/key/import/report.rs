//! What became of the entries: counted, and told line by line where they failed.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::input::Batch;
use crate::cli::Printer;

/// Entries after which it is said how far the import is.
const PROGRESS: u64 = 10_000;

/// The file of what failed; made when something does.
pub(super) struct Failures {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    written: u64,
}

impl Failures {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, file: None, written: 0 }
    }

    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// Notes why a line was not imported. A hash is never written.
    pub(super) fn add(&mut self, line: u64, field: Option<&str>, reason: &str) -> anyhow::Result<()> {
        let cannot = || format!("cannot write {}", self.path.display());
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(File::create(&self.path).with_context(cannot)?)),
        };
        writeln!(file, "{}", json!({ "line": line, "field": field, "reason": reason })).with_context(cannot)?;
        self.written += 1;
        Ok(())
    }

    /// Its path, if there is one; all of it is written.
    pub(super) fn finish(self) -> anyhow::Result<Option<PathBuf>> {
        let Some(mut file) = self.file else { return Ok(None) };
        file.flush().with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(Some(self.path))
    }
}

/// How many came to what.
pub(super) struct Tally {
    imported: u64,
    exists: u64,
    failed: u64,
    said: u64,
    started: Instant,
    printer: Printer,
}

impl Tally {
    pub(super) fn new(printer: Printer) -> Self {
        Self { imported: 0, exists: 0, failed: 0, said: 0, started: Instant::now(), printer }
    }

    pub(super) const fn failed(&self) -> u64 {
        self.failed
    }

    /// Lines that were no entries.
    pub(super) const fn unread(&mut self, lines: u64) {
        self.failed += lines;
    }

    /// Adds the server's word on a batch.
    pub(super) fn add(&mut self, batch: &Batch, reply: &Value, failures: &mut Failures) -> anyhow::Result<()> {
        let results = reply.get("results").and_then(Value::as_array).context("the server does not answer as an import does")?;
        ensure!(results.len() == batch.lines.len(), "the server answered {} entries of {}", results.len(), batch.lines.len());
        for (line, result) in batch.lines.iter().zip(results) {
            let text = |name: &str| result.get(name).and_then(Value::as_str);
            match text("outcome") {
                Some("imported") => self.imported += 1,
                Some("exists") => self.exists += 1,
                _ => {
                    self.failed += 1;
                    failures.add(*line, text("field"), text("detail").unwrap_or("the server does not say why"))?;
                }
            }
        }
        if self.entries() >= self.said + PROGRESS {
            self.said = self.entries();
            self.printer.note(&self.line());
        }
        Ok(())
    }

    /// What to do where an import ended in the middle.
    pub(super) fn way_on(&self) -> String {
        format!("the import ended after {} keys; run it again, what is there is passed over", self.entries())
    }

    pub(super) fn say(&self, dry_run: bool, failures: Option<&std::path::Path>) {
        let value = json!({
            "imported": self.imported, "exists": self.exists, "failed": self.failed, "dry_run": dry_run,
            "failures_file": failures.map(|path| path.display().to_string()), "seconds": self.seconds(),
        });
        let what = if dry_run { "would be imported" } else { "imported" };
        self.printer.result(&value, &format!("{what}  {}\nexist     {}\nfailed    {}", self.imported, self.exists, self.failed));
    }

    const fn entries(&self) -> u64 {
        self.imported + self.exists + self.failed
    }

    fn seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    fn line(&self) -> String {
        let a_second = self.entries() / self.seconds().max(1);
        let Self { imported, exists, failed, .. } = self;
        format!("{} keys: {imported} imported, {exists} there already, {failed} failed; {a_second} a second", self.entries())
    }
}
