//! Which refusals are noted. Whoever is refused over and over again must neither make
//! the database write at that pace nor hide the refusals of others.

use std::hash::Hash;

use countersign_protocol::Timestamp;

use crate::limits::{Instant, Network, Rate, Table};
use crate::source_address::SourceAddress;

/// What one client, or one source address of callers that were not authenticated, may
/// have noted in a second.
const EACH_PER_SECOND: u32 = 2;
/// What it may have noted at once.
const EACH_AT_ONCE: u32 = 20;
/// Clients and source addresses that are told apart.
const REMEMBERED: usize = 16_384;

/// Counts what was noted lately.
pub(super) struct Admission {
    each: Table,
    not_authenticated: Table,
    all: Table,
}

/// Why a refusal is not noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAdmitted {
    /// Too many of the same client or source address.
    Each,
    /// Too many of all together.
    All,
}

impl Admission {
    /// `None`: nothing is noted.
    pub(super) fn new(max_per_second: u32) -> Option<Self> {
        let table = |units: u32, at_once: u32, keys| Rate::new(units, 1, at_once).map(|rate| Table::new(rate, keys));
        Some(Self {
            each: table(EACH_PER_SECOND, EACH_AT_ONCE, REMEMBERED)?,
            not_authenticated: table(max_per_second.div_ceil(2), max_per_second.div_ceil(2), 1)?,
            all: table(max_per_second, max_per_second, 1)?,
        })
    }

    /// Asks for room: `client_id` is an authenticated client.
    pub(super) fn take(&self, client_id: Option<&str>, source: SourceAddress, now: Timestamp) -> Result<(), NotAdmitted> {
        let now = Instant::of(now);
        let has_room = |table: &Table| take(table, &(), now);
        let each = match client_id {
            Some(client_id) => take(&self.each, &client_id, now),
            None => take(&self.each, &Network::of(source), now),
        };
        if !each {
            return Err(NotAdmitted::Each);
        }
        if client_id.is_none() && !has_room(&self.not_authenticated) || !has_room(&self.all) {
            return Err(NotAdmitted::All);
        }
        Ok(())
    }
}

fn take(table: &Table, key: &impl Hash, now: Instant) -> bool {
    table.take(key, now).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn source(last: u8) -> SourceAddress {
        SourceAddress::new([198, 51, 100, last].into())
    }

    #[test]
    fn one_source_address_has_its_share_and_hides_no_other() {
        let admission = Admission::new(50).unwrap();
        let admitted = (0..1_000).filter(|_| admission.take(None, source(1), NOW).is_ok()).count();
        assert_eq!(admitted, 20);
        assert_eq!(admission.take(None, source(1), NOW), Err(NotAdmitted::Each));
        assert_eq!(admission.take(None, source(2), NOW), Ok(()));
        let later = NOW.plus_seconds(1);
        assert_eq!((0..9).filter(|_| admission.take(None, source(1), later).is_ok()).count(), 2);
    }

    #[test]
    fn a_flood_from_everywhere_leaves_half_to_authenticated_clients() {
        let admission = Admission::new(50).unwrap();
        let flood = (0..=255).flat_map(|last| [source(last); 4]);
        assert_eq!(flood.filter(|source| admission.take(None, *source, NOW).is_ok()).count(), 25);
        assert_eq!(admission.take(None, source(7), NOW), Err(NotAdmitted::All));
        let clients: Vec<String> = (0..100).map(|number| format!("client-{number}")).collect();
        assert_eq!(clients.iter().filter(|client| admission.take(Some(client), source(1), NOW).is_ok()).count(), 25);
    }

    #[test]
    fn nothing_is_noted_where_the_setting_says_so() {
        assert!(Admission::new(0).is_none());
    }
}
