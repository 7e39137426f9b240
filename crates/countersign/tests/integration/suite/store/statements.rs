//! The SQL itself.

use countersign::store::{StoreError, all_statements};

use super::ENGINE;
use crate::support::TestApp;

#[tokio::test]
async fn every_statement_prepares() {
    let app = TestApp::start(ENGINE).await;
    let prepared = app.app.store.read(|session| {
        Box::pin(async move {
            let mut names = Vec::new();
            for statement in all_statements() {
                if let Err(error) = session.prepare(statement).await {
                    panic!("{}: {error:?}", statement.name());
                }
                names.push(statement.name());
            }
            Ok::<_, StoreError>(names)
        })
    });
    let prepared = prepared.await.unwrap();
    assert!(prepared.len() >= 30, "{prepared:?}");
}
