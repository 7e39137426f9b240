//! Warns of credentials that end soon and have no successor.

use crate::app::App;
use crate::audit::Actor;
use crate::metrics::{Ending, Expiring, Within};
use crate::store::{ExpiringCredential, StoreError};

/// Credentials read at a time.
const PAGE: i64 = 500;
/// Who says so in the audit log.
const BY: Actor = Actor::system("credential_expiry");

/// A warning that this node gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiryWarning {
    /// Of which credential.
    pub credential: ExpiringCredential,
    /// Which threshold it crossed, in seconds before its end.
    pub threshold_seconds: i64,
}

/// Warns once of each credential at each of `thresholds`, in seconds before its end:
/// of several nodes exactly one does. A credential that crossed several since the last
/// look gets one warning, that of the shortest. Counts for the metrics what ends soon.
///
/// # Errors
/// [`StoreError`]; what was not warned of is, the next time.
pub async fn warn_of_expiry(app: &App, thresholds: &[i64]) -> Result<Vec<ExpiryWarning>, StoreError> {
    let mut thresholds = thresholds.to_vec();
    thresholds.sort_unstable();
    let now = app.clock.now();
    let counted = Within::Month.as_seconds();
    let until = now.plus_seconds(thresholds.last().map_or(counted, |longest| counted.max(*longest)));
    let (mut secrets, mut keys) = (Ending::default(), Ending::default());
    let (mut given, mut after) = (Vec::new(), String::new());
    loop {
        let last = std::mem::take(&mut after);
        let page =
            app.store.read(move |session| Box::pin(async move { session.expiring_credentials(now, until, &last, PAGE).await }));
        let page = page.await?;
        let Some(newest) = page.last() else { break };
        newest.id.as_str().clone_into(&mut after);
        for credential in page {
            let left = credential.expires_at.millis_since(now);
            if credential.is_secret { &mut secrets } else { &mut keys }.count(left);
            if let Some(threshold) = thresholds.iter().copied().find(|threshold| left <= threshold.saturating_mul(1_000)) {
                given.extend(warn(app, credential, threshold).await?);
            }
        }
    }
    app.metrics.expiry.set(Expiring::ClientSecret, secrets);
    app.metrics.expiry.set(Expiring::ClientKey, keys);
    Ok(given)
}

async fn warn(app: &App, credential: ExpiringCredential, threshold_seconds: i64) -> Result<Option<ExpiryWarning>, StoreError> {
    let now = app.clock.now();
    let warned = credential.clone();
    let event = BY
        .event("credential.expiring", "credential", credential.id.as_str())
        .with_detail("client_id", credential.client_id.as_str())
        .with_detail("expires_at", credential.expires_at.as_millis())
        .with_detail("threshold_seconds", threshold_seconds);
    let is_first = app.store.write(move |tx| {
        Box::pin(async move {
            let is_first = tx.warn_of_expiry(&warned, threshold_seconds, now).await?;
            if is_first {
                tx.record_event(event, now);
            }
            Ok::<_, StoreError>(is_first)
        })
    });
    if !is_first.await?.value {
        return Ok(None);
    }
    tracing::warn!(
        credential_id = credential.id.as_str(),
        client.id = credential.client_id.as_str(),
        seconds_left = credential.expires_at.millis_since(now) / 1_000,
        "a credential ends soon: rotate it"
    );
    Ok(Some(ExpiryWarning { credential, threshold_seconds }))
}
