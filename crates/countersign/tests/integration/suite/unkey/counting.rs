//! Limits, credits and rate limits at Unkey's API.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{RIGHTS, Unkey};

/// Of 64 at once with 10 left, over both texts of a rerolled key.
#[tokio::test]
async fn j158_both_texts_of_a_rerolled_key_spend_the_same_credits() {
    let unkey = Arc::new(Unkey::start().await);
    let (id, first) = unkey.key(json!({ "credits": { "remaining": 10 } })).await;
    let second = unkey.done("keys.rerollKey", json!({ "keyId": id, "expiration": 60_000 })).await;
    let second = second["key"].as_str().unwrap().to_owned();
    let tasks = (0..64).map(|number| {
        let (unkey, text) = (Arc::clone(&unkey), if number % 2 == 0 { first.clone() } else { second.clone() });
        tokio::spawn(async move { unkey.verify(&text).await })
    });
    let mut codes = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        codes.push(task.await.unwrap()["code"].as_str().unwrap().to_owned());
    }
    assert_eq!(codes.iter().filter(|code| *code == "VALID").count(), 10);
    assert_eq!(codes.iter().filter(|code| *code == "USAGE_EXCEEDED").count(), 54);
}

#[tokio::test]
async fn credits_are_given_taken_and_lifted() {
    let unkey = Unkey::start().await;
    let (id, key) = unkey.key(json!({})).await;
    assert_eq!(unkey.verify(&key).await.get("credits"), None);
    let update = async |operation: &str, value: Value| {
        unkey.done("keys.updateCredits", json!({ "keyId": id, "operation": operation, "value": value })).await
    };
    // They are not counted: there is nothing to add to.
    let add = json!({ "keyId": id, "operation": "increment", "value": 1 });
    unkey.root.ask(&unkey.app, "keys.updateCredits", add).await.unkey_refusal(409);
    assert_eq!(update("set", json!(5)).await, json!({ "remaining": 5 }));
    assert_eq!(update("increment", json!(2)).await, json!({ "remaining": 7 }));
    assert_eq!(update("decrement", json!(100)).await, json!({ "remaining": 0 }));
    assert_eq!(unkey.verify(&key).await["code"], "USAGE_EXCEEDED");
    let refill = json!({ "interval": "daily", "amount": 3 });
    unkey.done("keys.updateKey", json!({ "keyId": id, "credits": { "refill": refill } })).await;
    let shown = unkey.done("keys.getKey", json!({ "keyId": id })).await;
    assert_eq!(shown["credits"], json!({ "remaining": 0, "refill": refill }));
    unkey.app.clock.advance_millis(86_400_000);
    assert_eq!(unkey.verify(&key).await["credits"], 2);
    unkey.done("keys.updateKey", json!({ "keyId": id, "credits": null })).await;
    assert_eq!(unkey.verify(&key).await.get("credits"), None);
    for (credits, location) in [
        (json!({ "remaining": -1 }), "body.credits"),
        (json!({ "remaining": null, "refill": refill }), "body.credits"),
        (json!({ "remaining": 1, "refill": { "interval": "daily", "amount": 1, "refillDay": 2 } }), "body.credits"),
        (json!({ "remaining": 1, "refill": { "interval": "hourly", "amount": 1 } }), "body.credits.refill.interval"),
    ] {
        let body = json!({ "apiId": unkey.api, "credits": credits });
        let error = unkey.root.ask(&unkey.app, "keys.createKey", body).await.unkey_refusal(400);
        assert_eq!(error["errors"][0]["location"], location, "{credits}");
    }
}

#[tokio::test]
async fn limits_of_a_key_and_of_its_identity_are_taken_together_or_not_at_all() {
    let unkey = Unkey::start().await;
    let limit = |name: &str, limit: u32| json!({ "name": name, "limit": limit, "duration": 60_000, "autoApply": true });
    let identity = json!({ "externalId": "user-1", "ratelimits": [limit("shared", 3)] });
    unkey.done("identities.createIdentity", identity).await;
    let (id, key) = unkey.key(json!({ "externalId": "user-1", "ratelimits": [limit("own", 1)] })).await;
    let (_, sister) = unkey.key(json!({ "externalId": "user-1" })).await;
    let verdict = unkey.verify(&key).await;
    let own = verdict["ratelimits"].as_array().unwrap().iter().find(|limit| limit["name"] == "own").unwrap();
    let expected = json!({
        "id": format!("rl_{id}.own"), "name": "own", "limit": 1, "duration": 60_000, "autoApply": true, "exceeded": false,
        "remaining": 0, "reset": unkey.app.clock_millis() + 60_000,
    });
    assert_eq!(*own, expected);
    assert_eq!(unkey.verify(&key).await["code"], "RATE_LIMITED");
    // What the key's own limit refused took nothing of the shared one.
    let remaining = async || unkey.verify(&sister).await["ratelimits"][0]["remaining"].clone();
    assert_eq!((remaining().await, remaining().await), (json!(1), json!(0)));
    assert_eq!(unkey.verify(&sister).await["code"], "RATE_LIMITED");
    for (ratelimits, location) in [
        (json!([{ "name": "a b", "limit": 1, "duration": 1_000 }]), "body.ratelimits"),
        (json!([{ "name": "a", "limit": 0, "duration": 1_000 }]), "body.ratelimits"),
        (json!([{ "name": "a", "limit": 1, "duration": 999 }]), "body.ratelimits"),
        (json!([{ "name": "a", "limit": 1, "duration": u64::MAX }]), "body.ratelimits"),
        (json!([limit("a", 1), limit("a", 2)]), "body.ratelimits"),
        (json!([{ "name": "a", "limit": 4_294_967_296_u64, "duration": 1_000 }]), "body.ratelimits[0].limit"),
    ] {
        let body = json!({ "apiId": unkey.api, "ratelimits": ratelimits });
        let error = unkey.root.ask(&unkey.app, "keys.createKey", body).await.unkey_refusal(400);
        assert_eq!(error["errors"][0]["location"], location, "{ratelimits}");
    }
    let unknown = json!({ "key": sister, "ratelimits": [{ "name": "nobody's" }] });
    unkey.root.ask(&unkey.app, "keys.verifyKey", unknown).await.unkey_refusal(400);
}

#[tokio::test]
async fn of_64_requests_at_once_a_rate_limit_lets_as_many_pass_as_it_says() {
    let unkey = Arc::new(Unkey::start().await);
    let ask = |identifier: &str, more: Value| {
        let mut body = json!({ "namespace": "mail", "identifier": identifier, "limit": 10, "duration": 60_000 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let tasks = (0..64).map(|_| {
        let (unkey, body) = (Arc::clone(&unkey), ask("a", json!({})));
        tokio::spawn(async move { unkey.done("ratelimit.limit", body).await["success"].as_bool().unwrap() })
    });
    let mut passed = 0;
    for task in tasks.collect::<Vec<_>>() {
        passed += u32::from(task.await.unwrap());
    }
    assert_eq!(passed, 10);
    let refused = unkey.done("ratelimit.limit", ask("a", json!({}))).await;
    let reset = unkey.app.clock_millis() + 60_000;
    assert_eq!(refused, json!({ "success": false, "limit": 10, "remaining": 0, "reset": reset }));
    // The names do not run into each other.
    for other in [ask("b", json!({})), ask("ail/a", json!({ "namespace": "m" })), ask("a", json!({ "namespace": "mail/4" }))] {
        assert_eq!(unkey.done("ratelimit.limit", other).await["remaining"], 9);
    }
    // All of several or none.
    let several = unkey.done("ratelimit.multiLimit", json!([ask("b", json!({})), ask("a", json!({}))])).await;
    assert_eq!(
        (&several["passed"], &several["limits"][0]["passed"], &several["limits"][1]["passed"]),
        (&json!(false), &json!(true), &json!(false))
    );
    assert_eq!(unkey.done("ratelimit.limit", ask("b", json!({}))).await["remaining"], 8);
    unkey.app.clock.advance_millis(60_000);
    assert_eq!(unkey.done("ratelimit.limit", ask("a", json!({ "cost": 4 }))).await["remaining"], 6);
    for wrong in
        [json!({ "limit": 0 }), json!({ "duration": 999 }), json!({ "identifier": "" }), json!({ "namespace": "n".repeat(256) })]
    {
        unkey.root.ask(&unkey.app, "ratelimit.limit", ask("a", wrong)).await.unkey_refusal(400);
    }
    unkey.root.ask(&unkey.app, "ratelimit.multiLimit", json!([])).await.unkey_refusal(400);
}

#[tokio::test]
async fn j157_rate_limits_of_an_organization_are_its_own() {
    let unkey = Unkey::start().await;
    let organization = unkey.app.organization("Partner").await;
    let partner = unkey.other("partner-root", RIGHTS, Some(&organization)).await;
    let body = json!({ "namespace": "mail", "identifier": "a", "limit": 1, "duration": 60_000 });
    assert_eq!(partner.done(&unkey.app, "ratelimit.limit", body.clone()).await["success"], true);
    assert_eq!(unkey.done("ratelimit.limit", body.clone()).await["success"], true);
    assert_eq!(partner.done(&unkey.app, "ratelimit.limit", body).await["success"], false);
}
