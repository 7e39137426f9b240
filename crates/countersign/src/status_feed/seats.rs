//! How many may follow: one client alone does not use a node up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_protocol::ClientId;

/// Most verifiers that follow feeds of one node.
const MAX_FOLLOWERS: usize = 20_000;
/// Most of one client.
const MAX_FOLLOWERS_OF_CLIENT: usize = 5_000;

/// Why nobody else may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeatError {
    /// The client has as many followers as a client may have.
    #[error("the client has {MAX_FOLLOWERS_OF_CLIENT} verifiers at this node, as many as one may have")]
    Client,
    /// So has the node.
    #[error("{MAX_FOLLOWERS} verifiers follow this node, as many as it takes")]
    Node,
}

/// Who follows.
#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<HashMap<ClientId, usize>>);

impl Seats {
    /// A seat, until what is returned is dropped.
    pub(super) fn take(self: &Arc<Self>, client: &ClientId) -> Result<Seat, SeatError> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= MAX_FOLLOWERS {
            return Err(SeatError::Node);
        }
        let of_client = taken.entry(client.clone()).or_default();
        if *of_client >= MAX_FOLLOWERS_OF_CLIENT {
            return Err(SeatError::Client);
        }
        *of_client += 1;
        Ok(Seat { seats: Arc::clone(self), client: client.clone() })
    }

    fn free(&self, client: &ClientId) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut of_client) = taken.entry(client.clone()) {
            *of_client.get_mut() -= 1;
            if *of_client.get() == 0 {
                of_client.remove();
            }
        }
    }
}

/// The seat of one follower.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    client: ClientId,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.free(&self.client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_and_a_node_have_a_number_of_followers_and_no_more() {
        let seats = Arc::new(Seats::default());
        let client = |name: String| ClientId::try_from(name.as_str()).unwrap();
        let mut all = Vec::new();
        for number in 0..4 {
            let client = client(format!("client-{number}"));
            all.extend((0..MAX_FOLLOWERS_OF_CLIENT).map(|_| seats.take(&client).unwrap()));
        }
        assert_eq!(seats.take(&client("another".to_owned())).unwrap_err(), SeatError::Node);
        all.pop();
        assert_eq!(seats.take(&client("client-0".to_owned())).unwrap_err(), SeatError::Client);
        all.push(seats.take(&client("another".to_owned())).unwrap());
        drop(all);
        assert!(seats.0.lock().unwrap().is_empty());
    }
}
