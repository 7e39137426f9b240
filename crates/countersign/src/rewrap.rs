//! Replacing the master key: everything that the old one sealed is sealed by the new
//! one, in one transaction.

use countersign_protocol::Timestamp;

use crate::audit::Actor;
use crate::instance::KEY_CHECK;
use crate::sealing::{MasterKey, SealingError};
use crate::store::{ChangeKind, SEALED_COLUMNS, Store, StoreError, Tx};

/// What replacing the master key came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrapped {
    /// The new key had sealed everything before.
    Already,
    /// The new key has sealed this many values.
    Values(usize),
}

/// Why the master key was not replaced; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RewrapError {
    /// A value does not open.
    #[error("the sealed value in {table}.{column} of `{id}` cannot be sealed anew")]
    Value {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row.
        id: String,
        /// Why.
        source: SealingError,
    },
    /// There is no check of the master key.
    #[error("the database is not set up")]
    NotSetUp,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Neither key is the database's.
    #[error("the configured master key is not the one this database is sealed by")]
    WrongMasterKey,
}

/// Seals with `new` whatever `old` has sealed. Nodes that have only the old key go on
/// with what they hold in memory, say that they are not ready, and seal nothing more.
/// A second run finds nothing to do.
///
/// # Errors
/// [`RewrapError`].
pub async fn rewrap(store: &Store, by: &Actor, old: &MasterKey, new: &MasterKey, now: Timestamp) -> Result<Rewrapped, RewrapError> {
    let (by, old, new) = (by.clone(), old.clone(), new.clone());
    let written = store.write(move |tx| {
        Box::pin(async move {
            let check = tx.hold_fact(KEY_CHECK).await?.ok_or(RewrapError::NotSetUp)?;
            if new.has_sealed(KEY_CHECK, &check) {
                return Ok(Rewrapped::Already);
            }
            old.open(KEY_CHECK, &check).map_err(|_| RewrapError::WrongMasterKey)?;
            let values = seal_anew(tx, &old, &new).await?;
            tx.record_event(by.event("master_key.replaced", "instance", "master_key").with_detail("values", values), now);
            tx.record_change(ChangeKind::Catalog, "master_key", now);
            Ok(Rewrapped::Values(values))
        })
    });
    written.await.map(|committed| committed.value)
}

async fn seal_anew(tx: &mut Tx, old: &MasterKey, new: &MasterKey) -> Result<usize, RewrapError> {
    let mut values = 0;
    for column in SEALED_COLUMNS {
        for (id, sealed) in tx.sealed_values(column).await? {
            let resealed = old.open(&id, &sealed).and_then(|plain| new.seal(&id, &plain));
            let resealed = resealed.map_err(|source| RewrapError::Value {
                table: column.table,
                column: column.column,
                id: id.clone(),
                source,
            })?;
            // A value that changed since it was read was destroyed: nobody seals now.
            values += usize::from(tx.replace_sealed_value(column, &id, &sealed, &resealed).await?);
        }
    }
    Ok(values)
}
