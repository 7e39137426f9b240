//! The files of an instance as they were, to begin again with.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

/// A copy of the database and its companions.
pub(super) struct Copied {
    folder: PathBuf,
    copy: TempDir,
}

impl Copied {
    pub(super) fn of(folder: &Path) -> Self {
        let copied = Self { folder: folder.to_owned(), copy: tempfile::tempdir().unwrap() };
        copy_databases(folder, copied.copy.path());
        copied
    }

    /// Makes the database what it was.
    pub(super) fn put_back(&self) {
        for path in databases(&self.folder) {
            std::fs::remove_file(path).unwrap();
        }
        copy_databases(self.copy.path(), &self.folder);
    }
}

fn copy_databases(from: &Path, to: &Path) {
    for path in databases(from) {
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn databases(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("countersign.db")).collect()
}

/// The rows of a query with two columns of text; recovers the database first.
pub(super) fn rows(database: &Path, sql: &str) -> Vec<(String, String)> {
    let database = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let mut statement = database.prepare(sql).unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
}
