//! The clock of a node is set: by hand, or by whoever keeps it right.

use countersign::jobs;

use super::ENGINE;
use crate::support::Fixture;

const HOUR: i64 = 3_600;
const TEN_YEARS: i64 = 315_360_000;

#[tokio::test]
async fn r07_wherever_the_clock_jumps_a_token_begins_now_and_ends_later() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for jump in [0, HOUR, -HOUR, TEN_YEARS, -TEN_YEARS, -300, 1] {
        app.clock.advance_seconds(jump);
        let now = app.app.clock.now().as_seconds();
        let token = app.ask(&a, "scope=list:users").await.token();
        assert_eq!((token.time("iat"), token.time("exp")), (now, now + 600), "{jump}");
        assert!(app.is_active(&a, &token.text).await, "{jump}");
    }
}

#[tokio::test]
async fn r07_what_has_expired_by_the_clock_is_inactive_though_it_is_remembered() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let token = app.ask(&a, "scope=list:users").await.token();
    assert!(app.is_active(&a, &token.text).await);
    for jump in [600, HOUR, TEN_YEARS] {
        app.clock.advance_seconds(jump);
        assert!(!app.is_active(&a, &token.text).await, "{jump}");
    }
}

#[tokio::test]
async fn r07_a_clock_that_is_set_back_takes_no_revocation_back() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let token = app.ask(&a, "scope=list:users").await.token();
    app.revoke(&a, &token.text).await;
    // Ahead for as long as a run of the job, then set right and back.
    app.clock.advance_seconds(23 * HOUR);
    jobs::forget_expired_revocations(&app.app).await.unwrap();
    let second = app.second_node().await;
    for jump in [-23 * HOUR, -300, -HOUR] {
        app.clock.advance_seconds(jump);
        assert!(!second.is_active(&a, &token.text).await, "second node: {jump}");
        assert!(!app.is_active(&a, &token.text).await, "{jump}");
    }
    app.ask(&b, "audience=https://api2.test").await.token();
    app.ask(&a, "scope=list:users").await.token();
}
