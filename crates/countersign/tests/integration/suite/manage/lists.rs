//! Lists, piece by piece.

use countersign_protocol::ErrorCode;
use serde_json::json;

use super::ENGINE;
use crate::support::Managed;

#[tokio::test]
async fn limits_are_bounded_and_unknown_parameters_refused() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    for path in
        ["/clients", "/resource-servers", "/authorization-servers", "/clients/client-a/grants", "/organizations", "/audit/events"]
    {
        for query in ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=", "limit=1&limit=1", "offset=1", "cursor=a&cursor=b"] {
            operator.get(&app, &format!("{path}?{query}")).await.refusal(400, ErrorCode::QueryInvalid);
        }
        operator.get(&app, &format!("{path}?limit=200")).await.success(200);
    }
}

#[tokio::test]
async fn any_limit_gives_the_same_items_oldest_first() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    for number in 0..7 {
        app.clock.advance_millis(number % 2);
        operator.post(&app, "/clients", json!({ "name": format!("many-{number}") })).await.success(201);
    }
    let whole = operator.all(&app, "/clients", 200).await;
    assert_eq!(whole.len(), 11);
    let times: Vec<&str> = whole.iter().map(|item| item["created_at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    for limit in [1, 2, 3, 11] {
        assert_eq!(operator.all(&app, "/clients", limit).await, whole, "{limit}");
    }
    let by_default = operator.get(&app, "/clients").await.success(200);
    assert_eq!((by_default["items"].as_array().unwrap(), &by_default["next_cursor"]), (&whole, &json!(null)));
}

#[tokio::test]
async fn a_cursor_that_was_changed_or_is_of_another_list_is_refused() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let cursor = async |path: &str| {
        let list = operator.get(&app, &format!("{path}?limit=1")).await.success(200);
        list["next_cursor"].as_str().unwrap().to_owned()
    };
    let of_clients = cursor("/clients").await;
    for at in 0..of_clients.len() {
        let mut changed = of_clients.clone().into_bytes();
        changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
        let changed = String::from_utf8(changed).unwrap();
        operator.get(&app, &format!("/clients?cursor={changed}")).await.refusal(400, ErrorCode::QueryInvalid);
    }
    for cursor in ["", ".", "0..x", "x"] {
        operator.get(&app, &format!("/clients?cursor={cursor}")).await.refusal(400, ErrorCode::QueryInvalid);
    }
    let of_grants = cursor("/clients/client-b/grants").await;
    for (path, cursor) in [
        ("/resource-servers", &of_clients),
        ("/organizations", &of_clients),
        ("/audit/events", &of_clients),
        ("/clients", &of_grants),
        ("/clients/client-a/grants", &of_grants),
        ("/authorization-servers/default/mounts", &of_clients),
    ] {
        operator.get(&app, &format!("{path}?cursor={cursor}")).await.refusal(400, ErrorCode::QueryInvalid);
    }
    operator.get(&app, &format!("/clients/client-b/grants?cursor={of_grants}")).await.success(200);
}

#[tokio::test]
async fn a_list_that_grows_and_shrinks_meanwhile_repeats_and_skips_nothing() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let ids = |list: &serde_json::Value| -> Vec<String> {
        list["items"].as_array().unwrap().iter().map(|item| item["client_id"].as_str().unwrap().to_owned()).collect()
    };
    let before = operator.ids(&app, "/clients").await;
    let first = operator.get(&app, "/clients?limit=2").await.success(200);
    let mut seen = ids(&first);
    // One that was seen goes, one comes.
    assert_eq!(operator.delete(&app, &format!("/clients/{}", seen[0])).await.status, 204);
    app.clock.advance_millis(1);
    operator.post(&app, "/clients", json!({ "name": "x", "client_id": "a-late-one" })).await.success(201);
    let mut next = first["next_cursor"].clone();
    while let Some(cursor) = next.as_str() {
        let list = operator.get(&app, &format!("/clients?limit=1&cursor={cursor}")).await.success(200);
        seen.extend(ids(&list));
        next = list["next_cursor"].clone();
    }
    let expected: Vec<String> = before.into_iter().chain(["a-late-one".to_owned()]).collect();
    assert_eq!(seen, expected);
}
