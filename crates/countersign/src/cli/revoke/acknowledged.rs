//! How many verifiers apply a revocation by now, and how fast they were.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cli::api::{Api, Path};

/// How long verifiers are waited for: more than twice what each may take.
const PATIENCE: Duration = Duration::from_millis(2_500);
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What the nodes say of their followers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Acknowledged {
    followers: i64,
    applied: i64,
    slowest_millis: i64,
    /// Every node has told of the revocation.
    is_told: bool,
}

impl Acknowledged {
    /// Reads what the nodes say, as far as it is about the change `wanted`.
    fn read(body: &Value, wanted: i64) -> Self {
        let nodes = body.get("nodes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let start = Self { is_told: true, ..Self::default() };
        nodes.iter().fold(start, |all, node| {
            let is_told = number(node, "change") >= wanted;
            Self {
                followers: all.followers + number(node, "followers"),
                applied: all.applied + if is_told { number(node, "applied") } else { 0 },
                slowest_millis: all.slowest_millis.max(if is_told { number(node, "slowest_ms") } else { 0 }),
                is_told: all.is_told && is_told,
            }
        })
    }

    const fn is_complete(self) -> bool {
        self.is_told && self.applied >= self.followers
    }

    /// For scripts.
    pub(super) fn to_json(self) -> Value {
        json!({ "verifiers": self.followers, "applied": self.applied, "slowest_ms": self.slowest_millis })
    }

    /// For people.
    pub(super) fn to_text(self) -> String {
        match self {
            Self { followers: 0, .. } => {
                "No verifier follows the status feed: tokens that are verified locally live on until they expire.".to_owned()
            }
            Self { followers, applied, slowest_millis, .. } => {
                format!(
                    "Applied by {applied} of {followers} verifiers that follow the status feed, the slowest after {slowest_millis} ms."
                )
            }
        }
    }
}

fn number(object: &Value, name: &str) -> i64 {
    object.get(name).and_then(Value::as_i64).unwrap_or_default()
}

/// Waits until every verifier that follows applies what was just revoked, but not for long.
/// `None`: the server does not say, or not to this caller.
pub(super) async fn wait(api: &Api) -> Option<Acknowledged> {
    let path = Path::of(&["status-feed"]).ok()?;
    let deadline = Instant::now() + PATIENCE;
    let mut wanted = None;
    loop {
        let body = api.get(&path).await.ok()?.body;
        let wanted = *wanted.get_or_insert(number(&body, "change"));
        let said = Acknowledged::read(&body, wanted);
        if said.is_complete() || Instant::now() >= deadline {
            return Some(said);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(change: i64, followers: i64, applied: i64, slowest_ms: i64) -> Value {
        json!({ "change": change, "followers": followers, "applied": applied, "slowest_ms": slowest_ms })
    }

    #[test]
    fn it_is_complete_when_every_follower_of_every_node_applies_it() {
        let read = |nodes: Value| Acknowledged::read(&json!({ "change": 7, "nodes": nodes }), 7);
        assert!(read(json!([])).is_complete());
        assert!(read(json!([node(7, 3, 3, 40), node(9, 2, 2, 90)])).is_complete());
        for nodes in [json!([node(7, 3, 2, 40)]), json!([node(7, 3, 3, 40), node(6, 2, 2, 90)])] {
            assert!(!read(nodes.clone()).is_complete(), "{nodes}");
        }
        // What a node says of an earlier change counts for nothing.
        let partly = read(json!([node(7, 3, 3, 40), node(6, 2, 2, 90)]));
        assert_eq!(partly.to_json(), json!({ "verifiers": 5, "applied": 3, "slowest_ms": 40 }));
        assert!(partly.to_text().starts_with("Applied by 3 of 5 verifiers"), "{}", partly.to_text());
        assert!(read(json!([])).to_text().starts_with("No verifier follows"));
    }
}
