//! Key rotation under load: two resource servers in processes of their own keep
//! their cached keys while clients fetch tokens and the signing key is rotated.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tokio::sync::watch;

use super::checker::{Checker, Verdicts};
use super::{jose, verify_lines};
use crate::support::{AUDIENCE, Client, Instance, alone, until};

const CHECKS: usize = 10_000;
/// Fetched before the rotation, by the end of it at most, and in all.
const TOKENS: [usize; 3] = [500, 1_000, 1_500];
/// A token is checked several times, while others are being fetched.
const CHECKS_PER_TOKEN: usize = 6;
const FETCHERS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn r16_no_token_is_refused_while_the_signing_key_is_rotated() {
    let _alone = alone().await;
    let instance = Instance::sqlite().init().await;
    let client = instance.client("rotating-client").await;
    publish_successor_long_ago(&instance.database_file());
    let mut server = instance.serve(&["storage.poll_interval_ms=100"]).await;
    let (issuer, keys) = (format!("{}/", server.base), format!("{}/.well-known/jwks.json", server.base));
    let arguments = ["--issuer", &issuer, "--audience", AUDIENCE, "--jwks-uri", &keys];
    let first = server.token(&client).await.token();
    let mut checkers = Vec::new();
    for (name, program) in [("countersign-verify", verify_lines(instance.folder())), ("jose", jose(instance.folder()))] {
        let mut checker = Checker::start(name, program, &arguments);
        // From here on it holds the keys, the successor among them.
        checker.check(&first).await;
        checkers.push(checker);
    }

    let (tokens, fetched) = watch::channel(vec![first]);
    let fetching = Fetching { tokens, taken: AtomicUsize::new(0), allowed: watch::Sender::new(TOKENS[0]) };
    let fetching = Arc::new(fetching);
    let fetchers: Vec<_> = (0..FETCHERS).map(|_| tokio::spawn(Arc::clone(&fetching).fetch(server.port, client.clone()))).collect();
    let checks: Vec<_> =
        checkers.into_iter().map(|checker| (checker.name, tokio::spawn(check_all(checker, fetched.clone())))).collect();

    let mut progress = fetched.clone();
    until("the first tokens", progress.wait_for(|tokens| tokens.len() >= TOKENS[0])).await.unwrap();
    fetching.allowed.send_replace(TOKENS[1]);
    let rotated = instance.json(&["signing-key", "rotate", "--offline"]).await;
    fetching.allowed.send_replace(TOKENS[2]);
    for fetcher in fetchers {
        until("the fetchers", fetcher).await.unwrap();
    }

    let mut expected = ["retiring", "active"].map(|state| rotated[state].as_str().unwrap());
    expected.sort_unstable();
    for (name, check) in checks {
        let verdicts = until(name, check).await.unwrap();
        println!("{name}: {} accepted by key {:?}", CHECKS - verdicts.refused.len(), verdicts.kids);
        assert_eq!(verdicts.refused, Vec::<Value>::new(), "{name}");
        assert_eq!(verdicts.kids.keys().collect::<Vec<_>>(), expected, "{name}");
        assert_eq!(verdicts.kids.values().sum::<usize>(), CHECKS, "{name}");
    }
    server.process.stop().await;
    // None of them had to ask for the new key.
    let log = String::from_utf8(server.process.stderr()).unwrap();
    assert_eq!(log.matches("\"path\":\"/.well-known/jwks.json\"").count(), 2);
}

/// A successor signs only after it was published for longer than verifiers may
/// cache the key set. The test cannot wait that long.
fn publish_successor_long_ago(database: &Path) {
    let database = rusqlite::Connection::open(database).unwrap();
    let sql = "UPDATE signing_keys SET published_at = published_at - 3600000 WHERE state = 'published'";
    assert_eq!(database.execute(sql, []).unwrap(), 1);
}

/// Clients that fetch tokens side by side, up to a number that grows.
struct Fetching {
    tokens: watch::Sender<Vec<String>>,
    taken: AtomicUsize,
    allowed: watch::Sender<usize>,
}

impl Fetching {
    async fn fetch(self: Arc<Self>, port: u16, client: Client) {
        let mut connection = crate::support::http::Connection::open(port).await.unwrap();
        let mut allowed = self.allowed.subscribe();
        loop {
            let number = self.taken.fetch_add(1, Ordering::SeqCst);
            if number >= TOKENS[2] {
                return;
            }
            until("leave to fetch", allowed.wait_for(|allowed| number < *allowed)).await.unwrap();
            let token = connection.token(&client.id, &client.secret, AUDIENCE).await.token();
            self.tokens.send_modify(|tokens| tokens.push(token));
        }
    }
}

/// Checks tokens as they come, each new one at once and known ones again in
/// between, until all checks are made.
async fn check_all(mut checker: Checker, mut fetched: watch::Receiver<Vec<String>>) -> Verdicts {
    let mut seen = 0;
    while checker.verdicts.checked < CHECKS {
        let checked = checker.verdicts.checked;
        let due = |tokens: &Vec<String>| tokens.len() > TOKENS[2] || tokens.len() * CHECKS_PER_TOKEN > checked;
        let token = {
            let tokens = until("the next token", fetched.wait_for(due)).await.unwrap();
            let index = if seen < tokens.len() { seen } else { checked % tokens.len() };
            seen = tokens.len().min(seen + 1);
            tokens[index].clone()
        };
        checker.check(&token).await;
    }
    checker.end().await
}
