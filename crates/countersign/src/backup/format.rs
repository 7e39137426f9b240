//! The file: one JSON value per line. A header, then for each table its name and
//! columns followed by its rows, and at the end how many rows there are and the
//! SHA-256 of everything before.

use std::io;
use std::path::PathBuf;

use countersign_protocol::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::sealing::SealingError;
use crate::store::{DumpPart, StoreError, Value};

/// What every file begins with.
pub(super) const FORMAT: &str = "countersign-backup-1";

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    format: String,
    /// The version of the schema.
    pub schema: i64,
    /// When it was taken, in milliseconds since 1970.
    pub taken_at: i64,
    /// Tells the master key that opens its keys.
    pub(super) master_key_check: String,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Footer {
    pub(super) rows: u64,
    pub(super) sha256: String,
}

/// A line between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) enum Line {
    Table { name: String, columns: Vec<String> },
    Row(Vec<Json>),
    End(Footer),
}

/// Why a backup was not taken or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is cut off or was changed.
    #[error("{path} is not a whole backup: {reason}", path = path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The database is not empty.
    #[error("the database is not empty; restore into a new one")]
    NotEmpty,
    /// The backup was taken by a newer binary.
    #[error("the backup has schema version {found}, this binary knows up to {known}: use a newer binary")]
    NewerSchema {
        /// The backup's.
        found: i64,
        /// The newest known.
        known: i64,
    },
    /// The file cannot be read or written.
    #[error("cannot {action} {path}", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its keys were sealed by another master key.
    #[error("the backup was taken with another master key: restore with that key file in place")]
    OtherMasterKey(#[source] SealingError),
    /// The database was never set up.
    #[error("the database is not set up: there is nothing to back up")]
    NotSetUp,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Header {
    pub(super) fn new(taken_at: Timestamp, schema: i64, master_key_check: String) -> Self {
        Self { format: FORMAT.to_owned(), schema, taken_at: taken_at.as_millis(), master_key_check }
    }

    pub(super) fn is_ours(&self) -> bool {
        self.format == FORMAT
    }
}

impl Line {
    pub(super) fn lines_of(part: DumpPart) -> Vec<Self> {
        match part {
            DumpPart::Table { name, columns } => vec![Self::Table { name, columns }],
            DumpPart::Rows(rows) => rows.into_iter().map(|row| Self::Row(row.into_iter().map(to_json).collect())).collect(),
        }
    }

    /// What it is to the store; `None` for the end, and for a value no column has.
    pub(super) fn into_part(self) -> Option<DumpPart> {
        match self {
            Self::Table { name, columns } => Some(DumpPart::Table { name, columns }),
            Self::Row(values) => Some(DumpPart::Rows(vec![values.into_iter().map(from_json).collect::<Option<_>>()?])),
            Self::End(_) => None,
        }
    }
}

fn to_json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => number.into(),
        Value::Text(text) => text.into(),
    }
}

fn from_json(value: Json) -> Option<Value> {
    match value {
        Json::Null => Some(Value::Null),
        Json::Number(number) => number.as_i64().map(Value::Integer),
        Json::String(text) => Some(Value::Text(text)),
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}
