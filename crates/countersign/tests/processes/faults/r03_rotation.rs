//! R3: the process is killed at each operation on the disk that a rotation of the signing
//! key makes, the only moments between which the disk changes.

use std::path::Path;

use countersign_verify::Verifier;
use rusqlite::Connection;

use super::copy::{Copied, rows};
use super::disk::Disk;
use super::report;
use super::size::ROTATION_STEP;
use crate::support::{AUDIENCE, Instance, alone, run};

#[tokio::test(flavor = "multi_thread")]
async fn r03_a_rotation_that_is_killed_anywhere_has_happened_or_not() {
    let _alone = alone().await;
    let instance = Instance::sqlite().init().await;
    let client = instance.client("steady-client").await;
    let mut server = instance.serve(&[]).await;
    let token = server.token(&client).await.token();
    server.process.stop().await;
    let database = Connection::open(instance.database_file()).unwrap();
    let sql = "UPDATE signing_keys SET published_at = published_at - 172800000 WHERE state = 'published'";
    assert_eq!(database.execute(sql, []).unwrap(), 1);
    drop(database);
    let disk = Disk::under(instance.folder());
    let before = Copied::of(instance.folder());
    let kids = states(&instance.database_file());
    let (mut killed, mut happened, mut number) = (0, 0, 1);
    loop {
        before.put_back();
        let mut rotate = instance.command(&["signing-key", "rotate", "--offline"]);
        let ended = run(disk.kill_at(rotate.args(instance.flags(&[])), number)).await;
        let now = states(&instance.database_file());
        let of = |state: &str| now.iter().filter(|(_, own)| own == state).count();
        assert_eq!((of("active"), of("published")), (1, 1), "killed at {number}: {now:?}");
        // Every key that signed, and the one that was to sign next, is there still.
        assert!(kids.iter().all(|(kid, _)| now.iter().any(|(own, state)| own == kid && state != "retired")), "{now:?}");
        let has_happened = of("retiring") == 1;
        let is_last = ended.code == Some(0);
        if is_last || number == 1 || killed % 8 == 0 {
            serves(&instance, &client, &token, now.len()).await;
        }
        if is_last {
            assert!(has_happened);
            break;
        }
        assert_eq!(ended.code, None, "{ended:?}");
        killed += 1;
        happened += u64::from(has_happened);
        number += ROTATION_STEP.get();
    }
    assert!(killed > 2, "{killed} kills");
    report(
        "r03",
        &format!(
            "{killed} kills among {} operations of a rotation; it had happened after {happened}, else not at all",
            disk.operations()
        ),
    );
}

/// The keys and their states.
fn states(database: &Path) -> Vec<(String, String)> {
    rows(database, "SELECT id, state FROM signing_keys ORDER BY id")
}

/// The next start serves the key set with every key, new tokens, and the old one.
async fn serves(instance: &Instance, client: &crate::support::Client, token: &str, keys: usize) {
    let issued_at = countersign_protocol::jose::UnverifiedJws::parse(token).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&issued_at.unverified_payload().unwrap()).unwrap();
    let mut server = instance.serve(&[]).await;
    let set = server.get("/.well-known/jwks.json").await.json();
    assert_eq!(set["keys"].as_array().unwrap().len(), keys, "{set}");
    let verifier = Verifier::builder(claims["iss"].as_str().unwrap(), AUDIENCE)
        .jwks_uri(format!("{}/.well-known/jwks.json", server.base))
        .build()
        .unwrap();
    verifier.verify_token(token).await.unwrap();
    server.token(client).await.token();
    server.process.stop().await;
}
