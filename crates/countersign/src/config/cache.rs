//! `[cache]`: what is kept in memory.

use super::reader::Reader;
use super::setting::{Fallback, Kind, Section, Setting};

/// Sizes of the caches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// Most clients, with their credentials, in memory.
    pub clients: usize,
    /// Most secrets of API keys in memory.
    pub api_keys: usize,
}

pub(super) static SECTION: Section = Section { name: "cache", doc: "What is kept in memory.", settings: &[&CLIENTS, &API_KEYS] };

static CLIENTS: Setting = Setting {
    key: "cache.clients",
    kind: Kind::Integer { min: 100, max: 10_000_000, unit: "entries" },
    default: Fallback::Value("10000"),
    doc: "Most clients, with their credentials, that are kept in memory. A token request of a client that is not takes one read of the database.",
};

static API_KEYS: Setting = Setting {
    key: "cache.api_keys",
    kind: Kind::Integer { min: 100, max: 100_000_000, unit: "entries" },
    default: Fallback::Value("100000"),
    doc: "Most secrets of API keys, with the keys, that are kept in memory: about 1 KB each. Verifying one that is not takes one read of the database.",
};

impl CacheConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { clients: reader.integer(&CLIENTS)?, api_keys: reader.integer(&API_KEYS)? })
    }
}
