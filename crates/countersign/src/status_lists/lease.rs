//! Giving places to tokens: from a block that this node has leased. No row is written for a
//! token, and a block that was leased is never leased again, also not after a crash.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_protocol::Timestamp;

use super::permutation::Permutation;
use super::publish::SignedLists;
use super::{BLOCK_PLACES, LeasedBlock, list_end};
use crate::app::App;
use crate::catalog::LoadedAuthorizationServer;
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
    leases: Mutex<HashMap<AuthorizationServerId, ServerLeases>>,
    /// Held while a block is leased: whoever waits for it finds it there.
    leasing: tokio::sync::Mutex<()>,
    pub(super) signed: SignedLists,
    /// Held while a list is signed: whoever waits for it finds it there. Each is for some of
    /// the lists.
    pub(super) signing: [tokio::sync::Mutex<()>; 16],
}

/// The blocks of an authorization server, by the end of their lists.
struct ServerLeases {
    /// When it was created: another one of the same name has lists of its own.
    created_at: Timestamp,
    by_end: HashMap<Timestamp, Lease>,
}

struct Lease {
    list_id: Arc<str>,
    permutation: Arc<Permutation>,
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

impl Lease {
    /// `former`: the block before, mostly of the same list. To make a permutation takes
    /// as long as thousands of places.
    fn new(block: &LeasedBlock, former: Option<(Arc<str>, Arc<Permutation>)>) -> Self {
        let (list_id, first) = (block.number.to_string(), u32::try_from(block.first).unwrap_or(u32::MAX));
        let (list_id, permutation) = former
            .filter(|(former_id, _)| **former_id == *list_id)
            .unwrap_or_else(|| (list_id.into(), Arc::new(Permutation::new(&block.permutation_key))));
        Self { list_id, permutation, next: first, end: first.saturating_add(BLOCK_PLACES) }
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
        server: &LoadedAuthorizationServer,
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
        let former = self.former(server, end);
        let mut lease = Lease::new(&lease_block(app, &server.id, end).await?, former);
        let place = lease.take().ok_or_else(|| StoreError::internal("a new block of places is empty"))?;
        self.keep(server, end, lease, app.clock.now());
        Ok(place)
    }

    /// List and permutation of the block before.
    fn former(&self, server: &LoadedAuthorizationServer, end: Timestamp) -> Option<(Arc<str>, Arc<Permutation>)> {
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let leases = leases.get(&server.id).filter(|leases| leases.created_at == server.created_at)?;
        let lease = leases.by_end.get(&end)?;
        Some((Arc::clone(&lease.list_id), Arc::clone(&lease.permutation)))
    }

    fn take(&self, server: &LoadedAuthorizationServer, end: Timestamp) -> Option<Place> {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let leases = leases.get_mut(&server.id).filter(|leases| leases.created_at == server.created_at)?;
        leases.by_end.get_mut(&end)?.take()
    }

    fn keep(&self, server: &LoadedAuthorizationServer, end: Timestamp, lease: Lease, now: Timestamp) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || ServerLeases { created_at: server.created_at, by_end: HashMap::new() };
        let leases = leases.entry(server.id.clone()).or_insert_with(new);
        if leases.created_at != server.created_at {
            *leases = new();
        }
        leases.by_end.retain(|end, _| *end > now);
        leases.by_end.insert(end, lease);
    }
}

async fn lease_block(app: &App, server: &AuthorizationServerId, end: Timestamp) -> Result<LeasedBlock, StoreError> {
    let (server, new_key, now) = (server.clone(), Permutation::new_key(app.entropy.as_ref()), app.clock.now());
    let leased = app.store.write(move |tx| {
        Box::pin(async move {
            match tx.lease_status_block(&server, end).await? {
                Some(block) => Ok(block),
                None => tx.insert_status_list(&server, end, &new_key, now).await,
            }
        })
    });
    Ok(leased.await?.value)
}
