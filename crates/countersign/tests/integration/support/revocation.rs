//! Asking about tokens and revoking them.

use std::sync::Arc;

use countersign::audit::Actor;
use countersign::resource_servers::{self, ResourceServer};

use super::{Answer, Database, JSON, TestApp, TestClient, issuer_id};

/// Who changes things in a test.
pub(crate) fn by() -> Actor {
    Actor::system("test")
}

impl TestApp {
    /// A resource server of `default`.
    pub(crate) fn api(&self, audience: &str) -> Arc<ResourceServer> {
        let catalog = self.app.catalog();
        Arc::clone(catalog.authorization_server(&issuer_id("default")).unwrap().find_audience(audience).unwrap())
    }

    /// A client that may introspect the tokens for an audience of `default`.
    pub(crate) async fn introspection_client(&self, audience: &str) -> TestClient {
        let created = resource_servers::create_introspection_client(&self.app, &by(), &self.api(audience).id).await.unwrap();
        TestClient {
            id: created.client.id,
            secret: created.secret.text.expose().clone(),
            credential_id: created.secret.credential.id,
        }
    }

    /// What `meanwhile` gives two seconds later, while somebody keeps the database from
    /// committing the marks of `change`; and what comes of that.
    pub(crate) async fn while_marks_wait<T: Send + 'static, M>(
        &self,
        change: impl Future<Output = T> + Send + 'static,
        meanwhile: impl AsyncFnOnce() -> M,
    ) -> (M, T) {
        let later = async || {
            self.clock.advance_seconds(2);
            meanwhile().await
        };
        match &*self.database {
            Database::Postgres(database) => {
                let blocker = database.connect().await;
                blocker.batch_execute("BEGIN; LOCK TABLE revocation_marks IN ACCESS EXCLUSIVE MODE").await.unwrap();
                let changing = tokio::spawn(change);
                let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = \
                               (SELECT oid FROM pg_database WHERE datname = current_database())";
                while blocker.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) < 1 {
                    tokio::task::yield_now().await;
                }
                let seen = later().await;
                blocker.batch_execute("ROLLBACK").await.unwrap();
                (seen, changing.await.unwrap())
            }
            Database::Sqlite(database) => {
                let blocker = database.connect();
                blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
                let changing = tokio::spawn(change);
                tokio::task::yield_now().await;
                let seen = later().await;
                blocker.execute_batch("ROLLBACK").unwrap();
                (seen, changing.await.unwrap())
            }
        }
    }

    pub(crate) async fn introspect(&self, caller: &TestClient, token: &str) -> Answer {
        self.introspect_at("/oauth/introspect", caller, token).await
    }

    pub(crate) async fn introspect_at(&self, path: &str, caller: &TestClient, token: &str) -> Answer {
        self.token_request(path, caller, &format!("token={token}")).send().await
    }

    /// Whether a token is active for a caller; the answer has the right form either way.
    pub(crate) async fn is_active(&self, caller: &TestClient, token: &str) -> bool {
        self.introspect(caller, token).await.is_active()
    }

    pub(crate) async fn revoke(&self, client: &TestClient, token: &str) -> Answer {
        self.token_request("/oauth/revoke", client, &format!("token={token}")).send().await
    }
}

impl Answer {
    /// What an introspection says (RFC 7662 section 2.2).
    pub(crate) fn is_active(&self) -> bool {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.header("content-type"), Some(JSON));
        assert_eq!(self.header("countersign-error"), None);
        self.assert_private();
        let active = self.json()["active"].as_bool().unwrap();
        if !active {
            assert_eq!(self.text(), r#"{"active":false}"#);
        }
        active
    }

    /// The one answer to every revocation of an authenticated client.
    pub(crate) fn assert_revocation_answered(&self) {
        assert_eq!((self.status.as_u16(), self.text()), (200, "{}"), "{self:?}");
        assert_eq!(self.header("content-type"), Some(JSON));
        assert_eq!(self.header("countersign-error"), None);
        self.assert_private();
    }
}
