//! Brings the schema up to date: the same files for both engines, each applied
//! once, in order, in one transaction, remembered with a checksum.

use aws_lc_rs::digest;
use countersign_protocol::jose::base64url;

use super::statement::statements;
use super::{Session, StoreError};

/// Every migration, oldest first. Files that were released are never edited.
const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../../../../migrations/0001_spine.sql")),
    (2, include_str!("../../../../migrations/0002_management.sql")),
    (3, include_str!("../../../../migrations/0003_credentials.sql")),
    (4, include_str!("../../../../migrations/0004_revocation.sql")),
    (5, include_str!("../../../../migrations/0005_signing_keys.sql")),
    (6, include_str!("../../../../migrations/0006_acme.sql")),
    (7, include_str!("../../../../migrations/0007_token_keys.sql")),
    (8, include_str!("../../../../migrations/0008_refusals.sql")),
    (9, include_str!("../../../../migrations/0009_usage.sql")),
    (10, include_str!("../../../../migrations/0010_api_keys.sql")),
    (11, include_str!("../../../../migrations/0011_imported_keys.sql")),
    (12, include_str!("../../../../migrations/0012_credits.sql")),
    (13, include_str!("../../../../migrations/0013_key_policy.sql")),
    (14, include_str!("../../../../migrations/0014_key_usage.sql")),
    (15, include_str!("../../../../migrations/0015_identities.sql")),
    (16, include_str!("../../../../migrations/0016_status_lists.sql")),
    (17, include_str!("../../../../migrations/0017_status_feed_keys.sql")),
    (18, include_str!("../../../../migrations/0018_status_followers.sql")),
    (19, include_str!("../../../../migrations/0019_ssf.sql")),
];

const CREATE_TABLE: &str =
    "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL)";
/// Any constant: two nodes that start at once migrate one after the other.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7140927)";

statements! {
    APPLIED = "SELECT version, checksum FROM schema_migrations ORDER BY version";
    REMEMBER = "INSERT INTO schema_migrations (version, checksum) VALUES ($1, $2)";
}

/// The version of the last migration.
pub(super) const fn newest() -> i64 {
    match MIGRATIONS.last() {
        Some((version, _)) => *version,
        None => 0,
    }
}

pub(super) async fn run_sqlite(session: &mut Session, schema: i64) -> Result<(), StoreError> {
    session.run("BEGIN IMMEDIATE").await?;
    let applied = apply(session, schema).await;
    if applied.is_err() {
        // Why it failed matters more than a failing ROLLBACK.
        let _ = session.run("ROLLBACK").await;
        return applied;
    }
    session.run("COMMIT").await
}

pub(super) async fn run_postgres(session: &mut Session, schema: i64) -> Result<(), StoreError> {
    session.start();
    session.run("BEGIN").await?;
    session.run(LOCK).await?;
    apply(session, schema).await?;
    session.run("COMMIT").await?;
    session.finish();
    Ok(())
}

async fn apply(session: &mut Session, schema: i64) -> Result<(), StoreError> {
    session.run(CREATE_TABLE).await?;
    let mut applied = Vec::new();
    for mut row in session.query(&APPLIED, &[]).await? {
        applied.push((row.integer()?, row.text()?));
    }
    if let Some((found, _)) = applied.last()
        && *found > schema
    {
        return Err(StoreError::NewerSchema { found: *found, known: schema });
    }
    for (version, sql) in MIGRATIONS.iter().filter(|(version, _)| *version <= schema) {
        let checksum = base64url::encode(digest::digest(&digest::SHA256, sql.as_bytes()).as_ref());
        match applied.iter().find(|(done, _)| done == version) {
            Some((_, remembered)) if *remembered == checksum => {}
            Some(_) => return Err(StoreError::internal(format!("migration {version} was applied with other content"))),
            None => {
                session.run(sql).await?;
                session.query(&REMEMBER, &[(*version).into(), checksum.into()]).await?;
            }
        }
    }
    Ok(())
}
