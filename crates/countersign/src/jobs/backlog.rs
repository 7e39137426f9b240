//! Rows that gather in memory and are written batch by batch, because no request waits for
//! them.

use std::time::Duration;

use crate::app::App;
use crate::store::{StoreError, Tx};

/// Most rows that one transaction writes when somebody waits for them.
const BATCH: usize = 200;
/// The same when nobody does: a burst of writing holds up requests that share its core.
const SMALL_BATCH: usize = 50;
/// How long such writing may take.
const SPREAD: Duration = Duration::from_secs(4);

/// What is counted or noted in memory until it is written.
pub(crate) trait Backlog: Sync {
    /// What is written.
    type Row: Clone + Send + Sync + 'static;
    /// In how many parts it gathers: requests get their turn between two of them.
    const PARTS: usize = 1;

    /// Puts what a part counted until now among what waits, in the order in which rows are
    /// locked; returns how much waits.
    fn gather(&self, part: usize) -> usize;

    /// Takes at most so many of what waits.
    fn take(&self, most: usize) -> Vec<Self::Row>;

    /// Gives back what could not be written.
    fn give_back(&self, rows: Vec<Self::Row>);

    /// Held while rows are neither in memory nor in the database: who reads waits for it.
    fn writing(&self) -> &tokio::sync::Mutex<()>;

    /// Writes a row.
    fn write(tx: &mut Tx, row: &Self::Row) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Writes what was counted until now; what fails is written the next time.
pub(super) async fn write_now<B: Backlog>(app: &App, backlog: &B) -> Result<(), StoreError> {
    let _writing = backlog.writing().lock().await;
    for part in 0..B::PARTS {
        backlog.gather(part);
    }
    while write_batch(app, backlog, BATCH).await? {}
    Ok(())
}

/// The same, a little at a time.
pub(super) async fn write_evenly<B: Backlog>(app: &App, backlog: &B) -> Result<(), StoreError> {
    let mut waiting = 0;
    for part in 0..B::PARTS {
        waiting = backlog.gather(part);
        tokio::task::yield_now().await;
    }
    let batches = waiting.div_ceil(SMALL_BATCH);
    let pause = SPREAD / u32::try_from(batches.max(1)).unwrap_or(u32::MAX);
    while write_one(app, backlog).await? {
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

async fn write_one<B: Backlog>(app: &App, backlog: &B) -> Result<bool, StoreError> {
    let _writing = backlog.writing().lock().await;
    write_batch(app, backlog, SMALL_BATCH).await
}

/// Whether there was something to write.
async fn write_batch<B: Backlog>(app: &App, backlog: &B, most: usize) -> Result<bool, StoreError> {
    let rows = backlog.take(most);
    if rows.is_empty() {
        return Ok(false);
    }
    let batch = rows.clone();
    let written = app.store.write(move |tx| {
        Box::pin(async move {
            for row in &batch {
                B::write(tx, row).await?;
            }
            Ok::<_, StoreError>(())
        })
    });
    match written.await {
        Ok(_) => Ok(true),
        // What a row belongs to was deleted at the same moment. It is not there the next time.
        Err(StoreError::ReferenceGone) => {
            backlog.give_back(rows);
            Ok(true)
        }
        Err(error) => {
            backlog.give_back(rows);
            Err(error)
        }
    }
}
