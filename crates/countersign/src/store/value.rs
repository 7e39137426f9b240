//! The two column types, as parameters and in rows.

use bytes::BytesMut;
use countersign_protocol::Timestamp;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::StoreError;

/// A TEXT or BIGINT value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// NULL of either type.
    Null,
    /// BIGINT.
    Integer(i64),
    /// TEXT.
    Text(String),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Integer(value.as_millis())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl ToSql for Value {
    fn to_sql(&self, column: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(value) if *column == Type::INT8 => value.to_sql(column, out),
            Self::Text(value) if *column == Type::TEXT => value.to_sql(column, out),
            Self::Integer(_) | Self::Text(_) => Err(format!("a column of type {column} does not take this value").into()),
        }
    }

    fn accepts(column: &Type) -> bool {
        *column == Type::TEXT || *column == Type::INT8
    }

    to_sql_checked!();
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Owned::Null),
            Self::Integer(value) => ToSqlOutput::Owned(Owned::Integer(*value)),
            Self::Text(value) => ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes())),
        })
    }
}

/// One row, read column by column in the order of the SELECT list.
#[derive(Debug)]
pub struct Row(std::vec::IntoIter<Value>);

impl Row {
    pub(super) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    /// Every column.
    pub(super) fn into_values(self) -> Vec<Value> {
        self.0.collect()
    }

    /// The next column, TEXT NOT NULL.
    pub fn text(&mut self) -> Result<String, StoreError> {
        self.optional_text()?.ok_or_else(|| StoreError::internal("NULL in a column that is NOT NULL"))
    }

    /// The next column, TEXT.
    pub fn optional_text(&mut self) -> Result<Option<String>, StoreError> {
        match self.0.next() {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            Some(Value::Integer(_)) | None => Err(StoreError::internal("expected a TEXT column")),
        }
    }

    /// The next column, BIGINT NOT NULL.
    pub fn integer(&mut self) -> Result<i64, StoreError> {
        self.optional_integer()?.ok_or_else(|| StoreError::internal("NULL in a column that is NOT NULL"))
    }

    /// The next column, BIGINT.
    pub fn optional_integer(&mut self) -> Result<Option<i64>, StoreError> {
        match self.0.next() {
            Some(Value::Integer(number)) => Ok(Some(number)),
            Some(Value::Null) => Ok(None),
            Some(Value::Text(_)) | None => Err(StoreError::internal("expected a BIGINT column")),
        }
    }

    /// The next column, a time.
    pub fn time(&mut self) -> Result<Timestamp, StoreError> {
        self.integer().map(Timestamp::from_millis)
    }

    /// The next column, a time or nothing.
    pub fn optional_time(&mut self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.optional_integer()?.map(Timestamp::from_millis))
    }
}
