//! Clients in memory.

use std::sync::Arc;

use countersign_protocol::ClientId;

use super::Client;
use crate::lookup_cache::LookupCache;
use crate::metrics::LookupMetrics;
use crate::store::{Store, StoreError};

/// The clients that were asked for lately, and those that turned out not to exist.
pub struct ClientCache(LookupCache<ClientId, Client>);

impl ClientCache {
    /// A cache of at most `capacity` clients.
    pub fn new(capacity: usize, metrics: LookupMetrics) -> Self {
        Self(LookupCache::new(capacity, metrics))
    }

    /// The client, from memory or else from the store; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, store: &Store, id: &ClientId) -> Result<Option<Arc<Client>>, StoreError> {
        self.0.find(id, || load(store, id)).await
    }

    /// The client if it is in memory; the store is not asked.
    pub fn find_in_memory(&self, id: &ClientId) -> Option<Arc<Client>> {
        self.0.find_in_memory(id).flatten()
    }

    /// How many changes of clients this node has heard of.
    pub fn changes(&self) -> u64 {
        self.0.changes()
    }

    /// Forgets one client.
    pub fn invalidate(&self, id: &ClientId) {
        self.0.invalidate(id);
    }

    /// Forgets every client.
    pub fn clear(&self) {
        self.0.clear();
    }
}

async fn load(store: &Store, id: &ClientId) -> Result<Option<Arc<Client>>, StoreError> {
    let id = id.clone();
    let found = store.read(move |session| Box::pin(async move { session.find_client(&id).await }));
    Ok(found.await?.map(Arc::new))
}
