//! What runs beside the requests: each job does one thing, can be run once by a
//! test, and is right on any number of nodes at once.

mod api_key_uses;
pub(crate) mod backlog;
mod credential_expiry;
mod credential_uses;
mod key_usage;
mod refusals;
mod revocations;
pub mod rotate_signing_keys;
mod rotate_token_keys;
mod tasks;
mod to_the_end;
mod usage;
mod used_jtis;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use self::tasks::Tasks;
use crate::app::App;
use crate::config::CredentialsConfig;
use crate::ssf;

pub use api_key_uses::write_api_key_uses;
pub use credential_expiry::{ExpiryWarning, warn_of_expiry};
pub use credential_uses::write_credential_uses;
pub use key_usage::{delete_old_key_usage, write_key_usage};
pub use refusals::{delete_old_refusals, write_refusals};
pub use revocations::forget_expired_revocations;
pub use rotate_token_keys::rotate_token_keys;
pub(crate) use to_the_end::to_the_end;
pub use usage::{delete_old_usage, write_usage};
pub use used_jtis::delete_used_jtis;

const WRITE_USES_EVERY: Duration = Duration::from_secs(5);
/// How long an explanation may be known to one node alone.
const WRITE_REFUSALS_EVERY: Duration = Duration::from_secs(1);
const DELETE_REFUSALS_EVERY: Duration = Duration::from_secs(60);
const DELETE_JTIS_EVERY: Duration = Duration::from_secs(60);
const FORGET_REVOCATIONS_EVERY: Duration = Duration::from_secs(60);
const ROTATE_TOKEN_KEYS_EVERY: Duration = Duration::from_secs(60);
const PUSH_EVERY: Duration = Duration::from_secs(1);
const WRITE_USAGE_EVERY: Duration = Duration::from_secs(5);
const DELETE_USAGE_EVERY: Duration = Duration::from_secs(3_600);
const WARN_EVERY: Duration = Duration::from_secs(600);

/// What runs beside the requests of a node that serves, and never ends by itself.
pub(crate) struct Jobs {
    app: Arc<App>,
    tasks: Tasks,
}

impl Jobs {
    /// Starts them.
    pub(crate) fn start(app: Arc<App>, credentials: &CredentialsConfig) -> Self {
        let mut jobs = Self { app: Arc::clone(&app), tasks: Tasks::default() };
        let failure = "the last use of credentials is not written";
        let write_uses = async |app: &App| credential_uses::write_credential_uses_evenly(app).await;
        jobs.add(failure, repeat(WRITE_USES_EVERY, Arc::clone(&app), failure, write_uses));
        let failure = "the last use of API keys is not written";
        let write_uses = async |app: &App| api_key_uses::write_api_key_uses_evenly(app).await;
        jobs.add(failure, repeat(WRITE_USES_EVERY, Arc::clone(&app), failure, write_uses));
        let failure = "what clients do is not written";
        let write_counted = async |app: &App| usage::write_usage_evenly(app).await;
        jobs.add(failure, repeat(WRITE_USAGE_EVERY, Arc::clone(&app), failure, write_counted));
        let failure = "old counters of what clients did are not deleted";
        let delete_usage = async |app: &App| delete_old_usage(app).await;
        jobs.add(failure, repeat(DELETE_USAGE_EVERY, Arc::clone(&app), failure, delete_usage));
        let failure = "how API keys are used is not written";
        let write_counted = async |app: &App| key_usage::write_key_usage_evenly(app).await;
        jobs.add(failure, repeat(WRITE_USAGE_EVERY, Arc::clone(&app), failure, write_counted));
        let failure = "old counters of how API keys were used are not deleted";
        let delete_usage = async |app: &App| delete_old_key_usage(app).await;
        jobs.add(failure, repeat(DELETE_USAGE_EVERY, Arc::clone(&app), failure, delete_usage));
        let failure = "why requests were refused is not written";
        let write_refused = async |app: &App| write_refusals(app).await;
        jobs.add(failure, repeat(WRITE_REFUSALS_EVERY, Arc::clone(&app), failure, write_refused));
        let failure = "old explanations of refusals are not deleted";
        let delete_refusals = async |app: &App| delete_old_refusals(app).await;
        jobs.add(failure, repeat(DELETE_REFUSALS_EVERY, Arc::clone(&app), failure, delete_refusals));
        let failure = "used ids of assertions are not deleted";
        let delete_jtis = async |app: &App| delete_used_jtis(app).await;
        jobs.add(failure, repeat(DELETE_JTIS_EVERY, Arc::clone(&app), failure, delete_jtis));
        let failure = "expired revocations are not forgotten";
        let forget = async |app: &App| forget_expired_revocations(app).await;
        jobs.add(failure, repeat(FORGET_REVOCATIONS_EVERY, Arc::clone(&app), failure, forget));
        let failure = "security events are not sent";
        let sender = Arc::clone(&app);
        let push = async move |_: &App| ssf::push_due(&sender).await;
        jobs.add(failure, repeat(PUSH_EVERY, Arc::clone(&app), failure, push));
        let failure = "old security events are not deleted";
        let delete_events = async |app: &App| ssf::delete_old_events(app).await;
        jobs.add(failure, repeat(DELETE_USAGE_EVERY, Arc::clone(&app), failure, delete_events));
        let failure = "token keys are due and not moved on";
        let rotate = async |app: &App| rotate_token_keys(app).await;
        jobs.add(failure, repeat(ROTATE_TOKEN_KEYS_EVERY, Arc::clone(&app), failure, rotate));
        let failure = "credentials that end soon are not looked for";
        let thresholds = credentials.expiry_warning_seconds.clone();
        let warn = async move |app: &App| warn_of_expiry(app, &thresholds).await.map(drop);
        jobs.add(failure, repeat(WARN_EVERY, app, failure, warn));
        jobs
    }

    /// Runs a task. `failure` says what is wrong when it ends.
    pub(crate) fn add(&mut self, failure: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.add(failure, task);
    }

    /// Waits until one of them ends; says what is wrong then.
    pub(crate) async fn ended(&mut self) -> String {
        self.tasks.ended().await
    }

    /// Ends them; what waits in memory is written.
    pub(crate) async fn stop(mut self) {
        self.tasks.stop().await;
        if let Err(error) = write_credential_uses(&self.app).await {
            tracing::warn!(error = %crate::log::chain(&error), "the last use of some credentials was not written");
        }
        if let Err(error) = write_api_key_uses(&self.app).await {
            tracing::warn!(error = %crate::log::chain(&error), "the last use of some API keys was not written");
        }
        if let Err(error) = write_usage(&self.app).await {
            tracing::warn!(error = %crate::log::chain(&error), "what some clients did was not written");
        }
        if let Err(error) = write_key_usage(&self.app).await {
            tracing::warn!(error = %crate::log::chain(&error), "how some API keys were used was not written");
        }
        if let Err(error) = write_refusals(&self.app).await {
            tracing::warn!(error = %crate::log::chain(&error), "why some requests were refused was not written");
        }
    }
}

/// Runs `job` at once and then in this rhythm. A failure is logged when it begins.
async fn repeat<F, E>(every: Duration, app: Arc<App>, failure: &'static str, job: F)
where
    F: AsyncFn(&App) -> Result<(), E>,
    E: std::error::Error,
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
