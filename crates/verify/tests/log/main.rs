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

/// Everything that is logged, of every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

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
        event.record(&mut Writing(&mut self.0.lock().unwrap()));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn the_log_says_why_and_never_shows_the_token() {
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
    let logged = log.0.lock().unwrap().clone();
    for code in ["CS-1204", "CS-1201", "CS-1102", "CS-1012", "CS-1203", "ECONNREFUSED", "https://api1.test/"] {
        assert!(logged.contains(code), "{code}: {logged}");
    }
    // The three parts of any JWT here begin like this, or are a signature.
    let (_, signature) = good.rsplit_once('.').unwrap();
    assert!(!logged.contains("eyJ") && !logged.contains(signature), "{logged}");
}
