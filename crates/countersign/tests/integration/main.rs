//! The product in one process: the real router and the real use-cases on a clock
//! and an entropy source of the test, once on SQLite and once on PostgreSQL.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests, where these are allowed")]
#![expect(clippy::duplicate_mod, reason = "the same tests for both engines")]

mod both_engines;
mod support;

#[path = "."]
mod sqlite {
    const ENGINE: crate::support::Engine = crate::support::Engine::Sqlite;

    mod suite;
}

#[path = "."]
mod postgres {
    const ENGINE: crate::support::Engine = crate::support::Engine::Postgres;

    mod suite;
}
