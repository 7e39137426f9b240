//! Restoring a backup into an empty database, and saying what that undoes.

use std::path::Path;

use countersign_protocol::Timestamp;

use super::format::{BackupError, Header};
use super::read::{Reader, inspect};
use crate::instance;
use crate::sealing::MasterKey;
use crate::store::{ConnectOptions, Store, StoreError};

/// The window that a restored backup exposes: what was revoked, rotated, disabled or
/// deleted in it is accepted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// When the backup was taken.
    pub from: Timestamp,
    /// When it was restored.
    pub until: Timestamp,
}

/// Restores a backup into the empty database at `options`, and brings its schema up
/// to date.
///
/// # Errors
/// [`BackupError`]; the database stays empty then.
pub async fn restore(
    options: ConnectOptions,
    master_key: &MasterKey,
    path: &Path,
    now: Timestamp,
    mut progress: impl FnMut(&str) + Send + 'static,
) -> Result<Exposed, BackupError> {
    let header = inspect(path)?;
    check(&header, master_key)?;
    let store = open_empty(options.clone(), header.schema).await?;
    let (_, mut reader) = Reader::open(path)?;
    store
        .fill(move || {
            let Some(line) = reader.next()? else { return Ok(None) };
            let part = line.into_part().ok_or_else(|| reader.broken("a value is of no column's type"))?;
            if let crate::store::DumpPart::Table { name, .. } = &part {
                progress(name);
            }
            Ok::<_, BackupError>(Some(part))
        })
        .await?;
    store.settle().await?;
    drop(store);
    let store = Store::open(options).await?;
    // Places that were leased since the backup was taken are not given again.
    store.write(|tx| Box::pin(async move { tx.fill_status_lists().await })).await?;
    Ok(Exposed { from: Timestamp::from_millis(header.taken_at), until: now })
}

fn check(header: &Header, master_key: &MasterKey) -> Result<(), BackupError> {
    let known = Store::newest_schema();
    if header.schema > known {
        return Err(BackupError::NewerSchema { found: header.schema, known });
    }
    master_key.open(instance::KEY_CHECK, &header.master_key_check).map(drop).map_err(BackupError::OtherMasterKey)
}

async fn open_empty(options: ConnectOptions, schema: i64) -> Result<Store, BackupError> {
    let store = match Store::open_with_schema(options, schema).await {
        // It was in use by a newer binary than the one that took the backup.
        Err(StoreError::NewerSchema { .. }) => return Err(BackupError::NotEmpty),
        opened => opened?,
    };
    let found = store.read(|session| Box::pin(async move { session.find_fact(instance::KEY_CHECK).await }));
    match found.await.map_err(|error: StoreError| error)? {
        None => Ok(store),
        Some(_) => Err(BackupError::NotEmpty),
    }
}
