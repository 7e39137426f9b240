//! TLS to PostgreSQL: who is believed to be the database.

use crate::support::tls::{Authority, Issued};
use crate::support::{Database, Instance, eventually};

/// Has the server speak TLS with this certificate, as its superuser can. Who
/// connects without TLS does not notice.
async fn speak_tls(client: &tokio_postgres::Client, certificate: &Issued) {
    for (name, text) in [("tls-test.crt", &certificate.chain), ("tls-test.key", &certificate.key)] {
        // COPY writes one line; the shell makes it many.
        let line = text.trim().replace("\r\n", "\n").replace('\n', "|");
        let copy = format!("COPY (SELECT '{line}') TO PROGRAM 'umask 077; tr \"|\" \"\\n\" > {name}'");
        client.batch_execute(&copy).await.unwrap();
    }
    for statement in [
        "ALTER SYSTEM SET ssl_cert_file = 'tls-test.crt'",
        "ALTER SYSTEM SET ssl_key_file = 'tls-test.key'",
        "ALTER SYSTEM SET ssl = on",
        "SELECT pg_reload_conf()",
    ] {
        client.batch_execute(statement).await.unwrap();
    }
}

/// Of each connection of the product to this database, whether it is TLS.
async fn connections(client: &tokio_postgres::Client) -> Vec<bool> {
    let sql = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
               WHERE application_name = 'countersign' AND datname = current_database()";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_to_postgresql_is_verified_or_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mut database = Database::create().await;
    let (url, client) = (database.url.clone(), database.connect().await);
    let mut instance = |mode: &str, trusted: Option<&Authority>| {
        database.url = format!("{url}?sslmode={mode}");
        let instance = Instance::postgres(&database);
        let Some(trusted) = trusted else { return instance };
        std::fs::write(instance.folder().join("database-ca.pem"), trusted.pem()).unwrap();
        instance.with("storage.ca_file=database-ca.pem")
    };

    // Until the server speaks TLS: nobody falls back to plain text.
    for mode in ["require", "verify-full"] {
        let refusal = instance(mode, Some(&authority)).run(&["init"]).await.refusal();
        assert!(refusal.contains("server does not support TLS"), "{refusal}");
    }
    let right = authority.issue(&["127.0.0.1"]);
    for (certificate, trusted) in [(&right, None), (&right, Some(&stranger)), (&authority.issue(&["db.test"]), Some(&authority))] {
        speak_tls(&client, certificate).await;
        for mode in ["require", "verify-full"] {
            // The server takes up its new settings in its own time.
            eventually("the refusal of a certificate", async || {
                let tried = instance(mode, trusted).run(&["init"]).await;
                tried.stderr.contains("invalid peer certificate").then(|| assert_eq!(tried.code, Some(1)))
            })
            .await;
        }
    }
    speak_tls(&client, &right).await;
    let instance_over_tls = instance("verify-full", Some(&authority));
    eventually("a connection", async || (instance_over_tls.run(&["init"]).await.code == Some(0)).then_some(())).await;
    let mut server = instance_over_tls.serve(&[]).await;
    // The pool's and the one that listens.
    eventually("two connections", async || (connections(&client).await.len() >= 2).then_some(())).await;
    assert!(connections(&client).await.iter().all(|is_tls| *is_tls));
    assert_eq!(server.get("/health/ready").await.status, 200);
    server.process.stop().await;

    eventually("the end of its connections", async || connections(&client).await.is_empty().then_some(())).await;
    let instance_in_plain_text = instance("disable", None);
    std::fs::copy(instance_over_tls.folder().join("master.key"), instance_in_plain_text.folder().join("master.key")).unwrap();
    let mut server = instance_in_plain_text.serve(&[]).await;
    eventually("two connections", async || (connections(&client).await.len() >= 2).then_some(())).await;
    assert!(connections(&client).await.iter().all(|is_tls| !*is_tls));
    server.process.stop().await;
    drop(client);
    database.drop_it().await;
}
