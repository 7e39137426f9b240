//! Counters in a real server, which dies in the middle.

use countersign::counters::{CountedIn, OnUnreachable, Outcome};

use super::{ENGINE, counted_in, exactly_10_of_64_pass, remaining, rule, take, takes_all_or_nothing_and_gives_back};
use crate::support::{Setup, TestApp, ValkeyServer};

async fn app_on(server: &ValkeyServer) -> TestApp {
    TestApp::start_with(ENGINE, Setup { counters: server.options(), ..Setup::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_nodes_count_together() {
    let Some(server) = ValkeyServer::start() else { return };
    let app = app_on(&server).await;
    let other = app.second_node().await;
    exactly_10_of_64_pass([&app, &other]).await;
    takes_all_or_nothing_and_gives_back(&app).await;
}

#[tokio::test]
async fn a_window_ends_by_the_clock_of_the_server_and_leaves_nothing_there() {
    let Some(server) = ValkeyServer::start() else { return };
    let app = app_on(&server).await;
    let a = rule("a", 1, OnUnreachable::Deny);
    let first = take(&app.app, &[("key_1", &a, 1)]).await;
    let [counter]: [String; 1] = server.execute::<Vec<String>>(&["KEYS", "*"]).try_into().unwrap();
    let left: i64 = server.execute(&["PTTL", &counter]);
    assert!((3_500_000..=3_600_000).contains(&left), "{left}");
    app.clock.advance_seconds(86_400);
    assert_eq!(take(&app.app, &[("key_1", &a, 1)]).await.outcome, Outcome::Exceeded, "our clock does not end it");
    server.execute::<()>(&["HSET", &counter, "ends", "1"]);
    let asks = [countersign::counters::Ask { subject: "key_1", rule: &a, cost: 1 }];
    let next = take(&app.app, &[("key_1", &a, 1)]).await;
    assert_eq!(next.outcome, Outcome::Within);
    // Ends at another time than the first.
    server.execute::<()>(&["HINCRBY", &counter, "ends", "1"]);
    app.app.counters.give_back(&asks, &first).await;
    assert_eq!(take(&app.app, &[("key_1", &a, 1)]).await.outcome, Outcome::Exceeded, "the next window is not widened");
}

#[tokio::test]
async fn r12_each_limit_says_what_happens_while_the_server_is_dead() {
    let Some(mut server) = ValkeyServer::start() else { return };
    let app = app_on(&server).await;
    let [deny, allow, local] =
        [OnUnreachable::Deny, OnUnreachable::Allow, OnUnreachable::Local].map(|setting| rule("a", 2, setting));
    assert_eq!(take(&app.app, &[("key_1", &deny, 1)]).await.outcome, Outcome::Within);
    server.kill();

    let denied = take(&app.app, &[("key_1", &allow, 1), ("key_2", &deny, 1), ("key_3", &local, 1)]).await;
    assert_eq!((denied.outcome, counted_in(&denied)), (Outcome::Uncounted, vec![CountedIn::Nowhere; 3]));
    for _ in 0..5 {
        let allowed = take(&app.app, &[("key_1", &allow, 2)]).await;
        assert_eq!((allowed.outcome, counted_in(&allowed)), (Outcome::Within, vec![CountedIn::Nowhere]));
    }
    let mixed = take(&app.app, &[("key_3", &local, 1), ("key_1", &allow, 1)]).await;
    assert_eq!((mixed.outcome, counted_in(&mixed)), (Outcome::Within, vec![CountedIn::ThisProcess, CountedIn::Nowhere]));
    assert_eq!(mixed.answers[0].remaining, 1, "what was refused is not counted here either");
    assert_eq!(take(&app.app, &[("key_3", &local, 1)]).await.outcome, Outcome::Within);
    assert_eq!(take(&app.app, &[("key_3", &local, 1)]).await.outcome, Outcome::Exceeded);
    let scrape = app.scrape().await;
    let counted = ["deny", "allow", "local"]
        .map(|setting| scrape.value(&format!("countersign_limits_uncounted_total{{on_unreachable=\"{setting}\"}}")));
    assert_eq!(counted, [1.0, 7.0, 4.0]);
    assert_eq!(scrape.value("countersign_counters_unreachable_total"), 9.0);

    server.run();
    let back = take(&app.app, &[("key_3", &local, 1), ("key_1", &deny, 1)]).await;
    assert_eq!((back.outcome, remaining(&back)), (Outcome::Within, vec![1, 1]));
    assert_eq!(counted_in(&back), [CountedIn::Everywhere; 2]);
    let keys: Vec<String> = server.execute(&["KEYS", "*"]);
    assert_eq!(keys.len(), 2, "{keys:?}");
}

#[tokio::test]
async fn r12_a_connection_that_was_cut_is_made_again_within_the_request() {
    let Some(server) = ValkeyServer::start() else { return };
    let app = app_on(&server).await;
    let a = rule("a", 2, OnUnreachable::Deny);
    assert_eq!(take(&app.app, &[("key_1", &a, 1)]).await.outcome, Outcome::Within);
    server.execute::<i64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    server.execute::<()>(&["SCRIPT", "FLUSH"]);
    assert_eq!(remaining(&take(&app.app, &[("key_1", &a, 1)]).await), [0]);
}

#[tokio::test]
async fn a_wrong_password_is_no_way_in_and_is_not_shown() {
    let Some(server) = ValkeyServer::start() else { return };
    let counters = server.options_with("a-wrong-password");
    assert!(!format!("{counters:?}").contains("a-wrong-password"));
    let app = TestApp::start_with(ENGINE, Setup { counters, ..Setup::default() }).await;
    let taken = take(&app.app, &[("key_1", &rule("a", 1, OnUnreachable::Deny), 1)]).await;
    assert_eq!(taken.outcome, Outcome::Uncounted);
}
