//! What runs in the background of a serving process, one file per job.

mod revocations;
pub mod rotate_signing_keys;

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::store::StoreError;

pub use revocations::forget_expired_revocations;

/// How often the jobs run.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// Runs every job once per `interval`, until the task is dropped. A job that fails
/// is logged and runs again the next time.
pub async fn run(app: Arc<App>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        report("forget expired revocations", forget_expired_revocations(&app).await);
    }
}

fn report(job: &str, done: Result<(), StoreError>) {
    if let Err(error) = done {
        tracing::warn!(job, error = %crate::log::chain(&error), "a job failed");
    }
}
