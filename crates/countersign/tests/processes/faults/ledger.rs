//! Callers that write by the management API, and what was acknowledged to them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rusqlite::{Connection as Database, OpenFlags};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::http::{Connection, Reply};
use crate::support::{Server, until};

/// What was acknowledged, in words that [`found`] uses too.
#[derive(Clone, Default)]
pub(super) struct Ledger {
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
    count: watch::Sender<u64>,
}

/// Somebody who changes one thing after the other.
pub(super) struct Writer {
    connection: Connection,
    authorization: String,
}

impl Ledger {
    /// What was acknowledged so far.
    pub(super) fn all(&self) -> BTreeSet<String> {
        self.acknowledged.lock().unwrap().clone()
    }

    fn acknowledge(&self, what: String) {
        self.acknowledged.lock().unwrap().insert(what);
        self.count.send_modify(|count| *count += 1);
    }

    /// Starts callers that write until the server goes away, and waits for `count` more
    /// acknowledgements.
    pub(super) async fn write(&self, server: &Server, callers: u64, count: u64) -> JoinSet<()> {
        let mut counted = self.count.subscribe();
        let target = *counted.borrow() + count;
        let mut writing = JoinSet::new();
        let authorization = server.operator_token().await;
        for _ in 0..callers {
            let mut writer = Writer { connection: server.connect().await, authorization: authorization.clone() };
            let ledger = self.clone();
            writing.spawn(async move { while writer.change_things(&ledger).await.is_some() {} });
        }
        until("acknowledgements", counted.wait_for(|count| *count >= target)).await.unwrap();
        writing
    }
}

impl Writer {
    pub(super) async fn of(server: &Server) -> Self {
        Self { connection: server.connect().await, authorization: server.operator_token().await }
    }

    /// The answer to a request, unless the connection broke.
    pub(super) async fn post(&mut self, path: &str, body: &Value) -> Option<Reply> {
        let headers = [("authorization", self.authorization.as_str()), ("content-type", "application/json")];
        self.connection.send("POST", path, &headers, &body.to_string()).await.ok()
    }

    /// A client, another secret for it, a mark on it; none when the server is gone.
    async fn change_things(&mut self, ledger: &Ledger) -> Option<()> {
        let created = expect(201, &self.post("/manage/v1/clients", &json!({ "name": "a client" })).await?);
        let id = created["client_id"].as_str().unwrap().to_owned();
        ledger.acknowledge(format!("client {id}"));
        let path = format!("/manage/v1/clients/{id}/credentials");
        let secret = expect(201, &self.post(&path, &json!({ "kind": "secret", "label": "second" })).await?);
        ledger.acknowledge(format!("credential {}", secret["id"].as_str().unwrap()));
        expect(200, &self.post("/manage/v1/revocations", &json!({ "kind": "client", "value": id })).await?);
        ledger.acknowledge(format!("mark {id}"));
        ledger.acknowledge(format!("disabled {id}"));
        Some(())
    }
}

#[track_caller]
fn expect(status: u16, reply: &Reply) -> Value {
    assert_eq!(reply.status.as_u16(), status, "{reply:?}");
    reply.json()
}

/// What is in a database, in the words of the ledger; checks that all of it is whole.
pub(super) fn found(path: &Path) -> BTreeSet<String> {
    let database = Database::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let number = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    assert_eq!(number("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    assert_eq!(number("SELECT count(*) FROM changes"), number("SELECT seq FROM feed_head"));
    assert_eq!(number("SELECT count(*) FROM audit_events"), number("SELECT seq FROM audit_head"));
    // A client comes with its secret, its event and its place in the feed.
    for whole in ["client_id FROM credentials", "object_id FROM changes", "object_id FROM audit_events"] {
        assert_eq!(number(&format!("SELECT count(*) FROM clients WHERE id NOT IN (SELECT {whole})")), 0, "{whole}");
    }
    // A client that is marked is disabled in the same step.
    let half = "SELECT count(*) FROM clients WHERE (disabled_at IS NULL) = (id IN (SELECT value FROM revocation_marks WHERE kind = 'client'))";
    assert_eq!(number(half), 0);
    let sql = "SELECT 'client ' || id FROM clients UNION ALL SELECT 'credential ' || id FROM credentials \
               UNION ALL SELECT 'mark ' || value FROM revocation_marks WHERE kind = 'client' \
               UNION ALL SELECT 'disabled ' || id FROM clients WHERE disabled_at IS NOT NULL";
    let mut statement = database.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}
