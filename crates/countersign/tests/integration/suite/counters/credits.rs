//! Credits of API keys.

use std::sync::Arc;

use countersign::api_keys::{self, NewApiKey, change_credits};
use countersign::change::ChangeError;
use countersign::counters::{Credits, CreditsChange, MAX_CREDITS, Refill, Spending};
use countersign::ids::ApiKeyId;
use countersign_protocol::Timestamp;

use super::ENGINE;
use crate::support::{API1, Fixture, TestApp, by};

async fn key(Fixture { app, a, .. }: &Fixture) -> ApiKeyId {
    let new = NewApiKey::named("key", a.id.clone(), app.api(API1).id.clone());
    api_keys::create(&app.app, &by(), new).await.unwrap().key.id
}

async fn change(app: &TestApp, key: &ApiKeyId, change: CreditsChange) -> Option<i64> {
    let changed = change_credits(&app.app, &by(), key, change).await.unwrap();
    changed.credits.map(|credits| credits.at(app.app.clock.now()).remaining)
}

/// As they are in the database.
async fn credits(app: &TestApp, key: &ApiKeyId) -> Credits {
    api_keys::find(&app.app, key).await.unwrap().credits.unwrap().at(app.app.clock.now())
}

async fn spend(app: &TestApp, key: &ApiKeyId, cost: u64) -> Spending {
    app.app.spend_credits(key, cost).await.unwrap()
}

/// Sets the clock of every node.
fn at(app: &TestApp, text: &str) {
    let time = text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    app.clock.advance_millis(Timestamp::from_millis(time).millis_since(app.app.clock.now()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn j158_of_64_parallel_with_10_left_exactly_10_are_accepted() {
    let fixture = Fixture::start(ENGINE).await;
    let (app, key) = (&fixture.app, key(&fixture).await);
    let other = app.second_node().await;
    for cost in [1, 3] {
        change(app, &key, CreditsChange::Set(10 * i64::try_from(cost).unwrap())).await;
        let spends: Vec<_> = (0..64)
            .map(|number| {
                let (app, key) = (Arc::clone(if number % 2 == 0 { &app.app } else { &other.app }), key.clone());
                tokio::spawn(async move { app.spend_credits(&key, cost).await.unwrap() })
            })
            .collect();
        let mut left = Vec::new();
        for spend in spends {
            match spend.await.unwrap() {
                Spending::Spent { remaining } => left.push(remaining),
                Spending::Exceeded { remaining } => assert_eq!(remaining, 0),
                Spending::Unlimited => panic!("they are counted"),
            }
        }
        left.sort_unstable();
        let expected: Vec<i64> = (0..10).map(|spent| spent * i64::try_from(cost).unwrap()).collect();
        assert_eq!(left, expected, "each of ten saw another number");
        assert_eq!(credits(app, &key).await.remaining, 0);
    }
}

#[tokio::test]
async fn all_of_a_cost_is_spent_or_nothing_and_0_looks() {
    let fixture = Fixture::start(ENGINE).await;
    let (app, key) = (&fixture.app, key(&fixture).await);
    assert_eq!(spend(app, &key, 5).await, Spending::Unlimited);
    assert_eq!(change(app, &key, CreditsChange::Set(10)).await, Some(10));
    assert_eq!(spend(app, &key, 11).await, Spending::Exceeded { remaining: 10 });
    assert_eq!(spend(app, &key, u64::MAX).await, Spending::Exceeded { remaining: 10 });
    assert_eq!(spend(app, &key, 4).await, Spending::Spent { remaining: 6 });
    let written = app.app.store.statements_run().1;
    assert_eq!(spend(app, &key, 0).await, Spending::Spent { remaining: 6 });
    assert_eq!(app.app.store.statements_run().1, written, "looking writes nothing");
    assert_eq!(change(app, &key, CreditsChange::Increment(4)).await, Some(10));
    assert_eq!(change(app, &key, CreditsChange::Decrement(100)).await, Some(0));
    assert_eq!(change(app, &key, CreditsChange::Unlimited).await, None);
    assert_eq!(spend(app, &key, 5).await, Spending::Unlimited);
}

#[tokio::test]
async fn a_change_that_cannot_be_is_refused() {
    let fixture = Fixture::start(ENGINE).await;
    let (app, key) = (&fixture.app, key(&fixture).await);
    let refused = async |key: &ApiKeyId, change| change_credits(&app.app, &by(), key, change).await.unwrap_err();
    let unknown = ApiKeyId::from_stored("key_unknown");
    assert!(matches!(refused(&unknown, CreditsChange::Set(1)).await, ChangeError::NotFound { .. }));
    assert!(matches!(refused(&key, CreditsChange::Increment(1)).await, ChangeError::State(_)));
    for amount in [-1, MAX_CREDITS + 1] {
        assert!(matches!(refused(&key, CreditsChange::Set(amount)).await, ChangeError::Invalid(_)));
    }
    change(app, &key, CreditsChange::Set(MAX_CREDITS)).await;
    assert!(matches!(refused(&key, CreditsChange::Increment(1)).await, ChangeError::Invalid(_)));
    for day in [0, 32] {
        let refill = Some(Refill::Monthly { amount: 1, day });
        assert!(matches!(refused(&key, CreditsChange::Refill(refill)).await, ChangeError::Invalid(_)));
    }
}

#[tokio::test]
async fn a_refill_comes_once_on_its_day_whichever_node_is_first() {
    let fixture = Fixture::start(ENGINE).await;
    let (app, key) = (&fixture.app, key(&fixture).await);
    let other = app.second_node().await;
    at(app, "2027-01-15T12:00:00Z");
    change(app, &key, CreditsChange::Set(3)).await;
    change(app, &key, CreditsChange::Refill(Some(Refill::Daily { amount: 10 }))).await;
    assert_eq!(spend(app, &key, 1).await, Spending::Spent { remaining: 2 }, "the first time is the next midnight");
    at(app, "2027-01-15T23:59:59.999Z");
    assert_eq!(spend(app, &key, 3).await, Spending::Exceeded { remaining: 2 });
    assert_eq!(credits(app, &key).await.remaining, 2);
    at(app, "2027-01-16T00:00:00Z");
    assert_eq!(spend(&other, &key, 0).await, Spending::Spent { remaining: 10 });
    assert_eq!(spend(app, &key, 4).await, Spending::Spent { remaining: 6 });
    assert_eq!(spend(&other, &key, 4).await, Spending::Spent { remaining: 2 }, "not refilled twice");
    assert_eq!(change(app, &key, CreditsChange::Increment(1)).await, Some(3));

    at(app, "2027-01-17T08:00:00Z");
    let monthly = Some(Refill::Monthly { amount: 7, day: 31 });
    assert_eq!(change(app, &key, CreditsChange::Refill(monthly)).await, Some(10), "what was due comes first");
    assert_eq!(credits(app, &key).await.refill, monthly);
    at(app, "2027-01-30T23:59:59Z");
    assert_eq!(spend(app, &key, 9).await, Spending::Spent { remaining: 1 });
    at(app, "2027-01-31T00:00:00Z");
    assert_eq!(spend(app, &key, 2).await, Spending::Spent { remaining: 5 });
    at(app, "2027-02-27T23:59:59Z");
    assert_eq!(spend(app, &key, 2).await, Spending::Spent { remaining: 3 });
    at(app, "2027-02-28T00:00:00Z");
    assert_eq!(credits(app, &key).await.remaining, 7, "reading says what spending finds");
    assert_eq!(spend(&other, &key, 2).await, Spending::Spent { remaining: 5 }, "the last day of a short month");
    at(app, "2027-03-30T00:00:00Z");
    assert_eq!(credits(app, &key).await.remaining, 5, "not due on the day before");
    assert_eq!(spend(app, &key, 1).await, Spending::Spent { remaining: 4 });
    at(app, "2027-06-01T00:00:00Z");
    assert_eq!(spend(app, &key, 1).await, Spending::Spent { remaining: 6 }, "one that was missed comes once");
}

/// What is shown is worked out from the row, what is spent by the database.
#[tokio::test]
async fn what_is_shown_of_a_refill_is_what_can_be_spent_on_every_day() {
    let fixture = Fixture::start(ENGINE).await;
    let (app, key) = (&fixture.app, key(&fixture).await);
    at(app, "2027-12-30T00:00:00Z");
    for day in [1, 15, 28, 29, 30, 31] {
        change(app, &key, CreditsChange::Set(0)).await;
        change(app, &key, CreditsChange::Refill(Some(Refill::Monthly { amount: 5, day }))).await;
        let mut refills = 0;
        // Through a February of 29 days, and twice each day: at midnight and just before.
        for _ in 0..80 {
            for step in [86_399_999, 1] {
                app.clock.advance_millis(step);
                let shown = credits(app, &key).await.remaining;
                assert_eq!(spend(app, &key, 0).await, Spending::Spent { remaining: shown }, "{day} {:?}", app.app.clock.now());
                if shown > 0 {
                    refills += 1;
                    assert_eq!(spend(app, &key, 5).await, Spending::Spent { remaining: 0 });
                }
            }
        }
        assert!((2..=3).contains(&refills), "{refills} refills on day {day} in 80 days");
    }
}

#[tokio::test]
async fn the_credits_of_a_key_go_with_it_and_stay_when_it_is_rotated() {
    let fixture = Fixture::start(ENGINE).await;
    let (app, key) = (&fixture.app, key(&fixture).await);
    change(app, &key, CreditsChange::Set(5)).await;
    let rotated = api_keys::rotate(&app.app, &by(), &key, 60).await.unwrap();
    assert_eq!(spend(app, &rotated.key.id, 2).await, Spending::Spent { remaining: 3 });
    api_keys::delete(&app.app, &by(), &key, None).await.unwrap();
    assert_eq!(app.database.count("SELECT count(*) FROM api_key_credits").await, 0);
}
