//! Carries out what is due in the life of signing keys.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::audit::Actor;
use crate::signing_keys::apply_due;

/// Looks for due steps now, and then once per `interval`, until the task is dropped.
/// Every node does: each step happens once.
pub async fn run(app: Arc<App>, interval: Duration) {
    let by = Actor::system("rotate_signing_keys");
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match apply_due(&app, &by).await {
            Ok(0) => {}
            Ok(steps) => tracing::info!(steps, "signing keys were moved on"),
            Err(error) => tracing::error!(error = %crate::log::chain(&error), "signing keys are due and cannot be moved on"),
        }
    }
}
