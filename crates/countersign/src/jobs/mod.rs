//! What runs beside the requests: each job does one thing, can be run once by a
//! test, and is right on any number of nodes at once.

mod credential_expiry;
mod credential_uses;
mod revocations;
pub mod rotate_signing_keys;
mod used_jtis;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;
use crate::config::CredentialsConfig;
use crate::store::StoreError;

pub use credential_expiry::{ExpiryWarning, warn_of_expiry};
pub use credential_uses::write_credential_uses;
pub use revocations::forget_expired_revocations;
pub use used_jtis::delete_used_jtis;

const WRITE_USES_EVERY: Duration = Duration::from_secs(5);
const DELETE_JTIS_EVERY: Duration = Duration::from_secs(60);
const FORGET_REVOCATIONS_EVERY: Duration = Duration::from_secs(60);
const WARN_EVERY: Duration = Duration::from_secs(600);

/// The jobs of a node that serves.
pub(crate) struct Jobs {
    app: Arc<App>,
    running: JoinSet<()>,
}

impl Jobs {
    /// Starts them.
    pub(crate) fn start(app: Arc<App>, credentials: &CredentialsConfig) -> Self {
        let mut running = JoinSet::new();
        running.spawn(repeat(WRITE_USES_EVERY, Arc::clone(&app), "the last use of credentials is not written", async |app| {
            write_credential_uses(app).await
        }));
        running.spawn(repeat(DELETE_JTIS_EVERY, Arc::clone(&app), "used ids of assertions are not deleted", async |app| {
            delete_used_jtis(app).await
        }));
        running.spawn(repeat(FORGET_REVOCATIONS_EVERY, Arc::clone(&app), "expired revocations are not forgotten", async |app| {
            forget_expired_revocations(app).await
        }));
        let thresholds = credentials.expiry_warning_seconds.clone();
        running.spawn(repeat(WARN_EVERY, Arc::clone(&app), "credentials that end soon are not looked for", async move |app| {
            warn_of_expiry(app, &thresholds).await.map(drop)
        }));
        Self { app, running }
    }

    /// Ends them; what waits in memory is written.
    pub(crate) async fn stop(mut self) {
        self.running.shutdown().await;
        if let Err(error) = write_credential_uses(&self.app).await {
            tracing::warn!(error = %crate::log::chain(&error), "the last use of some credentials was not written");
        }
    }
}

/// Runs `job` at once and then in this rhythm. A failure is logged when it begins.
async fn repeat<F>(every: Duration, app: Arc<App>, failure: &'static str, job: F)
where
    F: AsyncFn(&App) -> Result<(), StoreError>,
{
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        ticks.tick().await;
        match job(&app).await {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(error = %crate::log::chain(&error), "{failure}; trying on");
            }
            Err(_) => {}
        }
    }
}
