//! Reading and writing whole tables: the schema itself says which columns there are, so
//! none can be forgotten. The only SQL that is put together at run
//! time, from names that the database gives.

use super::engine::Engine;
use super::session::Session;
use super::value::{Row, Value};
use super::{Store, StoreError};

/// Rows read at a time.
const PAGE: usize = 500;
/// The tables of this product: others in the same schema are somebody else's, and are
/// neither read nor emptied. `schema_migrations` is not among them: a restored database
/// has its own. A test compares the list with the migrations.
pub const TABLES: &[&str] = &[
    "acme_accounts",
    "acme_certificates",
    "acme_challenges",
    "api_key_credits",
    "api_key_secrets",
    "api_key_uses",
    "api_keys",
    "audit_events",
    "audit_head",
    "authorization_servers",
    "changes",
    "client_grants",
    "client_usage",
    "clients",
    "credential_expiry_warnings",
    "credential_uses",
    "credentials",
    "described_permissions",
    "feed_head",
    "hash_keys",
    "idempotency_keys",
    "import_forms",
    "import_keys",
    "imported_hashes",
    "instance_facts",
    "introspection_clients",
    "key_usage",
    "mounts",
    "organizations",
    "refusals",
    "resource_servers",
    "revocation_marks",
    "revoked_tokens",
    "roles",
    "signing_keys",
    "ssf_events",
    "ssf_streams",
    "status_feed_keys",
    "status_followers",
    "status_lists",
    "token_keys",
    "used_jtis",
];
/// How far a restored feed jumps ahead: every node that still follows the old one
/// sees a gap, and reads everything again.
const FEED_JUMP: i64 = 1_000_000;

/// A table as the schema describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Table {
    name: String,
    columns: Vec<String>,
    /// The columns of its primary key, in order.
    key: Vec<String>,
    /// The tables that its rows refer to.
    refers_to: Vec<String>,
}

/// A piece of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DumpPart {
    /// What the following rows belong to.
    Table {
        /// Its name.
        name: String,
        /// The columns of its rows.
        columns: Vec<String>,
    },
    /// Rows of the last table.
    Rows(Vec<Vec<Value>>),
}

impl Store {
    /// Hands every row of every table to `emit`, as of one instant and while others
    /// write. Tables come after those they refer to.
    ///
    /// # Errors
    /// [`StoreError`], and what `emit` returns.
    pub async fn dump<E, F>(&self, emit: F) -> Result<(), E>
    where
        F: FnMut(DumpPart) -> Result<(), E> + Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.engine {
            Engine::Sqlite(engine) => engine.read(move |session| Box::pin(dump(session, emit))).await,
            Engine::Postgres(engine) => engine.alone(move |session| Box::pin(dump(session, emit))).await,
        }
    }

    /// Fills an empty database with what `next` gives, in one transaction.
    ///
    /// # Errors
    /// [`StoreError`], and what `next` returns; the database is unchanged then.
    pub async fn fill<E, F>(&self, next: F) -> Result<(), E>
    where
        F: FnMut() -> Result<Option<DumpPart>, E> + Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.engine {
            Engine::Sqlite(_) => {
                let filled = self.write(move |tx| Box::pin(async move { fill(tx, next).await })).await;
                filled.map(|committed| committed.value)
            }
            Engine::Postgres(engine) => engine.alone(move |session| Box::pin(fill_in_transaction(session, next))).await,
        }
    }

    /// The version of the schema that this binary brings every database to.
    pub const fn newest_schema() -> i64 {
        super::migrate::newest()
    }
}

async fn dump<E, F>(session: &mut Session, mut emit: F) -> Result<(), E>
where
    F: FnMut(DumpPart) -> Result<(), E> + Send,
    E: From<StoreError>,
{
    let begin = if session.is_sqlite() { "BEGIN" } else { "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" };
    session.run(begin).await?;
    let done = dump_tables(session, &mut emit).await;
    session.run("ROLLBACK").await?;
    done
}

async fn dump_tables<E, F>(session: &mut Session, emit: &mut F) -> Result<(), E>
where
    F: FnMut(DumpPart) -> Result<(), E> + Send,
    E: From<StoreError>,
{
    for table in tables(session).await? {
        emit(DumpPart::Table { name: table.name.clone(), columns: table.columns.clone() })?;
        let mut after: Option<Vec<Value>> = None;
        loop {
            let rows = page(session, &table, after.as_deref()).await?;
            let complete = rows.len() < PAGE;
            after = rows.last().map(|last| table.key_of(last));
            if !rows.is_empty() {
                emit(DumpPart::Rows(rows))?;
            }
            if complete {
                break;
            }
        }
    }
    Ok(())
}

async fn page(session: &mut Session, table: &Table, after: Option<&[Value]>) -> Result<Vec<Vec<Value>>, StoreError> {
    let (columns, key) = (table.columns.join(", "), table.key.join(", "));
    let placeholders: Vec<String> = (1..=table.key.len()).map(|number| session.placeholder(number)).collect();
    let condition = after.map_or_else(String::new, |_| format!("WHERE ({key}) > ({})", placeholders.join(", ")));
    let sql = format!("SELECT {columns} FROM {} {condition} ORDER BY {key} LIMIT {PAGE}", table.name);
    let rows = session.query_text(&sql, after.unwrap_or_default()).await?;
    Ok(rows.into_iter().map(Row::into_values).collect())
}

impl Table {
    fn key_of(&self, row: &[Value]) -> Vec<Value> {
        let value = |name: &String| self.columns.iter().position(|column| column == name).and_then(|index| row.get(index)).cloned();
        self.key.iter().filter_map(value).collect()
    }
}

async fn fill_in_transaction<E, F>(session: &mut Session, next: F) -> Result<(), E>
where
    F: FnMut() -> Result<Option<DumpPart>, E> + Send,
    E: From<StoreError>,
{
    session.run("BEGIN").await?;
    let filled = fill(session, next).await;
    session.run(if filled.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    filled
}

async fn fill<E, F>(session: &mut Session, mut next: F) -> Result<(), E>
where
    F: FnMut() -> Result<Option<DumpPart>, E> + Send,
    E: From<StoreError>,
{
    let known = tables(session).await?;
    // What the migrations themselves put in.
    for table in known.iter().rev() {
        session.query_text(&format!("DELETE FROM {}", table.name), &[]).await?;
    }
    let mut insert = String::new();
    while let Some(part) = next()? {
        match part {
            DumpPart::Table { name, columns } => insert = insert_into(session, &known, &name, &columns)?,
            DumpPart::Rows(rows) => {
                for row in rows {
                    session.query_text(&insert, &row).await?;
                }
            }
        }
    }
    session.query_text(&format!("UPDATE feed_head SET seq = seq + {FEED_JUMP}"), &[]).await?;
    Ok(())
}

/// Names are only used if the database has them.
fn insert_into(session: &Session, known: &[Table], name: &str, columns: &[String]) -> Result<String, StoreError> {
    let table = known.iter().find(|table| table.name == name);
    let table = table.filter(|table| columns.iter().all(|column| table.columns.contains(column)));
    let table = table.ok_or_else(|| StoreError::internal(format!("the schema has no table {name} with these columns")))?;
    let placeholders: Vec<String> = (1..=columns.len()).map(|number| session.placeholder(number)).collect();
    Ok(format!("INSERT INTO {} ({}) VALUES ({})", table.name, columns.join(", "), placeholders.join(", ")))
}

/// Every table of the schema, after those it refers to.
async fn tables(session: &mut Session) -> Result<Vec<Table>, StoreError> {
    let mut unplaced = if session.is_sqlite() { sqlite_tables(session).await? } else { postgres_tables(session).await? };
    let mut placed: Vec<Table> = Vec::new();
    while !unplaced.is_empty() {
        let is_ready = |table: &Table| {
            table.refers_to.iter().all(|name| *name == table.name || placed.iter().any(|before| before.name == *name))
        };
        let index =
            unplaced.iter().position(is_ready).ok_or_else(|| StoreError::internal("tables refer to each other in a circle"))?;
        let table = unplaced.remove(index);
        placed.push(table);
    }
    Ok(placed)
}

async fn sqlite_tables(session: &mut Session) -> Result<Vec<Table>, StoreError> {
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let columns = "SELECT name FROM pragma_table_info(?1) ORDER BY cid";
    let key = "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk";
    let references = "SELECT DISTINCT \"table\" FROM pragma_foreign_key_list(?1) ORDER BY 1";
    describe(session, names, [columns, key, references]).await
}

async fn postgres_tables(session: &mut Session) -> Result<Vec<Table>, StoreError> {
    let names = "SELECT table_name::TEXT FROM information_schema.tables \
                 WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name";
    let columns = "SELECT column_name::TEXT FROM information_schema.columns \
                   WHERE table_schema = current_schema() AND table_name::TEXT = $1 ORDER BY ordinal_position";
    let key = "SELECT k.column_name::TEXT FROM information_schema.table_constraints c \
               JOIN information_schema.key_column_usage k USING (constraint_schema, constraint_name) \
               WHERE c.table_schema = current_schema() AND c.constraint_type = 'PRIMARY KEY' AND c.table_name::TEXT = $1 \
               ORDER BY k.ordinal_position";
    let references = "SELECT DISTINCT u.table_name::TEXT FROM information_schema.table_constraints c \
                      JOIN information_schema.constraint_column_usage u USING (constraint_schema, constraint_name) \
                      WHERE c.table_schema = current_schema() AND c.constraint_type = 'FOREIGN KEY' AND c.table_name::TEXT = $1 ORDER BY 1";
    describe(session, names, [columns, key, references]).await
}

async fn describe(session: &mut Session, names: &str, of_table: [&str; 3]) -> Result<Vec<Table>, StoreError> {
    let mut tables = Vec::new();
    for name in texts(session, names, &[]).await?.into_iter().filter(|name| TABLES.contains(&name.as_str())) {
        let [columns, key, references] = of_table;
        let parameter = [name.as_str().into()];
        tables.push(Table {
            columns: texts(session, columns, &parameter).await?,
            key: texts(session, key, &parameter).await?,
            refers_to: texts(session, references, &parameter).await?,
            name,
        });
    }
    Ok(tables)
}

async fn texts(session: &mut Session, sql: &str, parameters: &[Value]) -> Result<Vec<String>, StoreError> {
    session.query_text(sql, parameters).await?.into_iter().map(|mut row| row.text()).collect()
}
