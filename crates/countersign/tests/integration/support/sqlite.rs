//! A temporary SQLite file.

use std::path::PathBuf;
use std::time::Duration;

use countersign::store::{ConnectOptions, Durability};
use tempfile::TempDir;

pub(crate) struct SqliteDatabase {
    folder: TempDir,
}

impl SqliteDatabase {
    pub(super) fn create() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub(super) fn options(&self) -> ConnectOptions {
        ConnectOptions::Sqlite { path: self.path(), durability: Durability::PowerLoss }
    }

    pub(crate) fn connect(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    }

    pub(super) fn texts(&self, sql: &str) -> Vec<String> {
        let connection = self.connect();
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    pub(super) fn everything(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("countersign.db")
    }
}
