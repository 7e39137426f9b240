//! Giving places to tokens: from a block that this node has leased. No row is written for a
//! token, and a block that was leased is never leased again, also not after a crash.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_protocol::Timestamp;

use super::permutation::Permutation;
use super::publish::SignedLists;
use super::{BLOCK_PLACES, LeasedBlock, list_end};
use crate::app::App;
use crate::ids::AuthorizationServerId;
use crate::store::StoreError;

/// A place in a status list that one token has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The list.
    pub list_id: Arc<str>,
    /// The place in it.
    pub index: u64,
}

/// The blocks that this node has leased, and the lists that it has signed lately.
#[derive(Default)]
pub struct StatusLists {
    leases: Mutex<HashMap<AuthorizationServerId, HashMap<Timestamp, Lease>>>,
    /// Held while a block is leased: whoever waits for it finds it there.
    leasing: tokio::sync::Mutex<()>,
    pub(super) signed: SignedLists,
}

struct Lease {
    list_id: Arc<str>,
    permutation: Permutation,
    next: u32,
    end: u32,
}

impl Lease {
    fn take(&mut self) -> Option<Place> {
        let number = Some(self.next).filter(|next| *next < self.end)?;
        self.next += 1;
        Some(Place { list_id: Arc::clone(&self.list_id), index: self.permutation.place(number) })
    }
}

impl From<LeasedBlock> for Lease {
    fn from(block: LeasedBlock) -> Self {
        let first = u32::try_from(block.first).unwrap_or(u32::MAX);
        Self {
            list_id: block.number.to_string().into(),
            permutation: Permutation::new(&block.permutation_key),
            next: first,
            end: first.saturating_add(BLOCK_PLACES),
        }
    }
}

impl StatusLists {
    /// A place for a token that expires at `expires_at`. One token in 4,096 waits for the
    /// database, and the first in each span of expiries.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn take_place(
        &self,
        app: &App,
        server: &AuthorizationServerId,
        expires_at: Timestamp,
    ) -> Result<Place, StoreError> {
        let end = list_end(expires_at);
        if let Some(place) = self.take(server, end) {
            return Ok(place);
        }
        let _leasing = self.leasing.lock().await;
        if let Some(place) = self.take(server, end) {
            return Ok(place);
        }
        let mut lease = Lease::from(lease_block(app, server, end).await?);
        let place = lease.take().ok_or_else(|| StoreError::internal("a new block of places is empty"))?;
        self.keep(server, end, lease, app.clock.now());
        Ok(place)
    }

    fn take(&self, server: &AuthorizationServerId, end: Timestamp) -> Option<Place> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).get_mut(server)?.get_mut(&end)?.take()
    }

    fn keep(&self, server: &AuthorizationServerId, end: Timestamp, lease: Lease, now: Timestamp) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let of_server = leases.entry(server.clone()).or_default();
        of_server.retain(|end, _| *end > now);
        of_server.insert(end, lease);
    }
}

async fn lease_block(app: &App, server: &AuthorizationServerId, end: Timestamp) -> Result<LeasedBlock, StoreError> {
    let (server, new_key) = (server.clone(), Permutation::new_key(app.entropy.as_ref()));
    let leased = app.store.write(move |tx| {
        Box::pin(async move {
            match tx.lease_status_block(&server, end).await? {
                Some(block) => Ok(block),
                None => tx.insert_status_list(&server, end, &new_key).await,
            }
        })
    });
    Ok(leased.await?.value)
}
