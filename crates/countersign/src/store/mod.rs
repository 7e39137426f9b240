//! All SQL: one file per aggregate over two engines, one set of statements.
//!
//! [`Store::write`] runs a short closure in a transaction. On SQLite one writer
//! thread commits many closures together, each in its own savepoint; replies
//! follow the shared `COMMIT`. On PostgreSQL each closure is a transaction of
//! its own. Inside a closure nothing but the transaction is awaited.

mod acme;
mod api_key_secrets;
mod api_keys;
mod audit;
mod authorization_servers;
mod changes;
mod client_grants;
mod client_usage;
mod clients;
mod counter_windows;
mod credential_uses;
mod credentials;
mod credits;
mod described_permissions;
mod dump;
mod engine;
mod error;
mod expiry_warnings;
mod facts;
mod hash_keys;
mod idempotency;
mod identities;
mod import_keys;
mod imported_keys;
mod introspection_clients;
mod key_usage;
mod keyset;
mod many;
mod migrate;
mod organizations;
mod postgres;
mod refusals;
mod resource_servers;
mod revocation_marks;
mod revoked_tokens;
mod roles;
mod sealed;
mod session;
mod signing_keys;
mod sqlite;
mod ssf;
mod statement;
mod status_feed_keys;
mod status_followers;
mod status_lists;
mod token_keys;
mod tx;
mod used_jtis;
mod value;
mod writer_state;

pub use changes::{Change, ChangeKind};
pub(crate) use counter_windows::{CounterAsk, CounterWindow};
pub use dump::{DumpPart, TABLES};
pub use engine::{ConnectOptions, Durability, Store, WorkFuture};
pub use error::StoreError;
pub use expiry_warnings::ExpiringCredential;
pub use idempotency::KeptReply;
pub(crate) use imported_keys::MAX_CANDIDATES;
pub use keyset::Page;
pub use sealed::{SEALED_COLUMNS, SealedColumn};
pub use session::Session;
pub use statement::Statement;
pub use tx::{Committed, Tx};
pub use value::Value;

/// Every statement of the product, for the test that prepares each on both engines.
pub fn all_statements() -> impl Iterator<Item = &'static Statement> {
    [
        acme::ALL,
        api_key_secrets::ALL,
        api_keys::ALL,
        audit::ALL,
        authorization_servers::ALL,
        changes::ALL,
        client_grants::ALL,
        client_usage::ALL,
        clients::ALL,
        credential_uses::ALL,
        credentials::ALL,
        credits::ALL,
        described_permissions::ALL,
        expiry_warnings::ALL,
        facts::ALL,
        hash_keys::ALL,
        idempotency::ALL,
        identities::ALL,
        import_keys::ALL,
        imported_keys::ALL,
        introspection_clients::ALL,
        key_usage::ALL,
        migrate::ALL,
        organizations::ALL,
        refusals::ALL,
        resource_servers::ALL,
        revocation_marks::ALL,
        revoked_tokens::ALL,
        roles::ALL,
        sealed::ALL,
        signing_keys::ALL,
        ssf::ALL,
        status_feed_keys::ALL,
        status_followers::ALL,
        status_lists::ALL,
        token_keys::ALL,
        used_jtis::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}
