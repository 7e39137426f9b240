//! Limits and credits of API keys.

mod credits;
mod database;
mod valkey;

use std::sync::Arc;

use countersign::app::App;
use countersign::counters::{Answer, Ask, CountedIn, LimitRule, OnUnreachable, Outcome, Taken};

use super::ENGINE;
use crate::support::TestApp;

fn rule(name: &str, limit: u32, on_unreachable: OnUnreachable) -> LimitRule {
    LimitRule { name: name.to_owned(), limit, duration_seconds: 3_600, auto_apply: true, on_unreachable }
}

async fn take(app: &App, asks: &[(&str, &LimitRule, u64)]) -> Taken {
    let asks: Vec<Ask<'_>> = asks.iter().map(|(subject, rule, cost)| Ask { subject, rule, cost: *cost }).collect();
    app.counters.take(&asks, app.clock.now()).await
}

fn remaining(taken: &Taken) -> Vec<u64> {
    taken.answers.iter().map(|answer| answer.remaining).collect()
}

fn counted_in(taken: &Taken) -> Vec<CountedIn> {
    taken.answers.iter().map(|answer| answer.counted).collect()
}

/// 64 requests at once on two nodes, with a limit of 10 on the key and a wide one on its
/// client, half of them naming the limits the other way round.
async fn exactly_10_of_64_pass(nodes: [&TestApp; 2]) {
    let requests = (0..64).map(|number| {
        let app = Arc::clone(&nodes[number % 2].app);
        tokio::spawn(async move {
            let (narrow, wide) = (rule("narrow", 10, OnUnreachable::Deny), rule("wide", 1_000, OnUnreachable::Deny));
            let mut asks = vec![("key_1", &narrow, 1), ("client", &wide, 1)];
            if number % 4 < 2 {
                asks.reverse();
            }
            take(&app, &asks).await.outcome
        })
    });
    let mut outcomes = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        outcomes.push(request.await.unwrap());
    }
    let count = |outcome| outcomes.iter().filter(|found| **found == outcome).count();
    assert_eq!((count(Outcome::Within), count(Outcome::Exceeded)), (10, 54));
    let (narrow, wide) = (rule("narrow", 10, OnUnreachable::Deny), rule("wide", 1_000, OnUnreachable::Deny));
    let seen = take(&nodes[0].app, &[("client", &wide, 0), ("key_1", &narrow, 0)]).await;
    assert_eq!(remaining(&seen), [990, 0], "who is refused by one limit is counted by none");
}

/// What every backend does alike.
async fn takes_all_or_nothing_and_gives_back(app: &TestApp) {
    let (a, b) = (rule("a", 5, OnUnreachable::Deny), rule("b", 3, OnUnreachable::Deny));
    let now = app.app.clock.now();
    let seen = take(&app.app, &[("key_2", &a, 0)]).await;
    assert_eq!((seen.outcome, remaining(&seen)), (Outcome::Within, vec![5]));
    let first = take(&app.app, &[("key_2", &a, 2), ("key_2", &b, 1)]).await;
    assert_eq!((first.outcome, remaining(&first)), (Outcome::Within, vec![3, 2]));
    assert_eq!(counted_in(&first), [CountedIn::Everywhere; 2]);
    let Answer { reset_at, .. } = first.answers[0];
    assert!(now < reset_at && reset_at <= now.plus_seconds(3_600));
    let refused = take(&app.app, &[("key_2", &a, 1), ("key_2", &b, 3)]).await;
    assert_eq!((refused.outcome, remaining(&refused)), (Outcome::Exceeded, vec![3, 2]));
    assert_eq!(refused.answers.iter().map(|answer| answer.exceeded).collect::<Vec<_>>(), [false, true]);
    let asks = [Ask { subject: "key_2", rule: &a, cost: 2 }, Ask { subject: "key_2", rule: &b, cost: 1 }];
    app.app.counters.give_back(&asks, &refused).await;
    assert_eq!(remaining(&take(&app.app, &[("key_2", &a, 0), ("key_2", &b, 0)]).await), [3, 2]);
    app.app.counters.give_back(&asks, &first).await;
    assert_eq!(remaining(&take(&app.app, &[("key_2", &a, 0), ("key_2", &b, 0)]).await), [5, 3]);
    let twice = take(&app.app, &[("key_2", &b, 2), ("key_2", &b, 2)]).await;
    assert_eq!(twice.outcome, Outcome::Exceeded, "a limit that is named twice counts both");
    let beyond = take(&app.app, &[("key_2", &b, u64::MAX)]).await;
    assert_eq!((beyond.outcome, remaining(&beyond)), (Outcome::Exceeded, vec![3]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_process_counts_exactly() {
    let app = TestApp::start(ENGINE).await;
    exactly_10_of_64_pass([&app, &app]).await;
    takes_all_or_nothing_and_gives_back(&app).await;
}
