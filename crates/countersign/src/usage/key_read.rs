//! Reading how API keys were used.

use std::sync::Arc;

use countersign_protocol::Timestamp;

use super::{Interval, Sums};
use crate::api_keys::VerdictCode;
use crate::app::App;
use crate::ids::OrganizationId;
use crate::jobs::{to_the_end, write_key_usage};
use crate::store::{Page, StoreError};

/// What is asked. A filter that is absent lets everything pass.
#[derive(Clone, Debug)]
pub struct KeyUsageQuestion {
    /// Which counters.
    pub interval: Interval,
    /// Those that begin from here on.
    pub from: Timestamp,
    /// Those that begin before.
    pub to: Timestamp,
    /// Of this key.
    pub key_id: Option<String>,
    /// Of keys of this client.
    pub client_id: Option<String>,
    /// Of keys for this resource server.
    pub resource_server_id: Option<String>,
    /// With this outcome.
    pub outcome: Option<VerdictCode>,
    /// With this tag.
    pub tag: Option<String>,
    /// Of keys of clients of this organization, and of no others.
    pub organization: Option<OrganizationId>,
    /// What is told apart.
    pub by: Grouping,
}

/// What sums are told apart by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grouping {
    /// When their interval began.
    pub time: bool,
    /// The key.
    pub key: bool,
    /// The client.
    pub client: bool,
    /// The resource server.
    pub resource_server: bool,
    /// The outcome.
    pub outcome: bool,
    /// The tag: a request counts for each that it has, and for none without one.
    pub tag: bool,
}

/// A sum, and of what; what is not told apart is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUsageSum {
    /// When the interval began; 0 where times are not told apart.
    pub started_at: Timestamp,
    /// The key, client, resource server, outcome and tag.
    pub names: [String; 5],
    /// What was counted.
    pub sums: Sums,
}

/// How API keys were used. What this node has counted is written first; what another has
/// counted is there five seconds later.
///
/// # Errors
/// [`StoreError`].
pub async fn of_keys(app: &Arc<App>, question: KeyUsageQuestion, page: Page) -> Result<Vec<KeyUsageSum>, StoreError> {
    let writer = Arc::clone(app);
    to_the_end(async move { write_key_usage(&writer).await }).await?;
    app.store.read(move |session| Box::pin(async move { session.key_usage_page(&question, &page).await })).await
}
