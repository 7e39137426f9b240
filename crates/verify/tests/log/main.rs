//! What is logged. A binary of its own with one test: a thread that meets a log
//! statement while another sets its subscriber can switch the statement off.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests, where these are allowed")]
#![expect(dead_code, reason = "the helpers are those of another test binary")]

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use countersign_verify::Requirements;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

#[path = "../verify/support.rs"]
mod support;

use support::{Mood, World, token_of};

/// Everything that is logged, of every level, one line for each event.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    /// The events since `from` that tell of a decision.
    fn decisions(&self, from: usize) -> Vec<String> {
        let logged = self.0.lock().unwrap().clone();
        let told = ["token accepted", "token refused", "token not judged", "request refused"];
        logged[from..].lines().filter(|line| told.iter().any(|word| line.contains(word))).map(str::to_owned).collect()
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

struct Writing<'a>(&'a mut String);

impl Visit for Writing<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Writing(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Writing(&mut self.0.lock().unwrap()));
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut logged = self.0.lock().unwrap();
        event.record(&mut Writing(&mut logged));
        logged.push('\n');
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn h129_the_log_says_why_and_never_shows_the_token() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let world = World::new().await;
    let good = world.token(&json!({}));
    let others = [
        world.token(&json!({ "aud": "https://api1.test/" })),
        world.token(&json!({ "iss": "https://as.test/oauth2/default/" })),
        world.token(&json!({ "exp": 1 })),
        format!("{good}x"),
        good.replace('.', "!"),
        token_of(&world.key, "k2", &json!({})),
    ];
    for token in &others {
        world.verify(token).await.unwrap_err();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {token}, Bearer {token}").parse().unwrap());
        world.verifier.verify_now(&headers).unwrap_err();
    }
    let verified = world.verify(&good).await.unwrap();
    world.verifier.require(&verified, &Requirements::all(["admin"])).unwrap_err();
    world.issuer.mood(Mood::Down);
    world.clock.advance_seconds(3 * 86_400);
    world.verify(&good).await.unwrap_err();
    every_decision_is_one_event(&log).await;
    let logged = log.0.lock().unwrap().clone();
    for code in ["CS-1204", "CS-1201", "CS-1102", "CS-1012", "CS-1203", "ECONNREFUSED", "https://api1.test/"] {
        assert!(logged.contains(code), "{code}: {logged}");
    }
    // The three parts of any JWT here begin like this, or are a signature.
    let (_, signature) = good.rsplit_once('.').unwrap();
    assert!(!logged.contains("eyJ") && !logged.contains(signature), "{logged}");
}

/// Of a token only what its issuer signed: who it is of, and its own ids.
async fn every_decision_is_one_event(log: &Log) {
    let world = World::new().await;
    let good = world.token(&json!({ "jti": "jti-good" }));
    let from = log.len();
    world.verify(&good).await.unwrap();
    let verified = world.verify(&good).await.unwrap();
    world.verify(&world.token(&json!({ "jti": "jti-expired", "exp": 1 }))).await.unwrap_err();
    world
        .verify(&token_of(&support::new_key(countersign_verify::Algorithm::EdDSA), "k1", &json!({ "jti": "jti-forged" })))
        .await
        .unwrap_err();
    world.verifier.verify_now(&HeaderMap::new()).unwrap_err();
    world.verifier.require(&verified, &Requirements::all(["admin"])).unwrap_err();
    let decisions = log.decisions(from);
    let expected: [&[&str]; 6] = [
        &["token accepted", "as.test/oauth2/default", "key_id=\"k1\"", "token_id=\"jti-good\"", "is_remembered=false"],
        &["token accepted", "token_id=\"jti-good\"", "is_remembered=true", "method=\"jwt\""],
        &["token refused", "CS-1102", "The token has expired.", "token_id=\"jti-expired\"", "as.test/oauth2/default"],
        &["token refused", "CS-1014", "as.test/oauth2/default"],
        &["request refused", "CS-1001"],
        &["request refused", "CS-1203", "token_id=\"jti-good\""],
    ];
    assert_eq!(decisions.len(), expected.len(), "{decisions:#?}");
    for (line, words) in decisions.iter().zip(expected) {
        for word in words {
            assert!(line.contains(word), "{word}: {line}");
        }
        // What nobody signed is not repeated.
        assert!(!line.contains("jti-forged"), "{line}");
    }
}
