//! Scopes and claim values.

use countersign_verify::{ErrorCode, Require, Requirements, Verified, scopes};
use serde_json::{Value, json};

use crate::support::World;

async fn verified(changes: Value) -> Verified {
    let world = World::new().await;
    world.verify(&world.token(&changes)).await.unwrap()
}

async fn is_enough(requirements: &Requirements, changes: Value) -> bool {
    requirements.check(&verified(changes).await).is_ok()
}

#[tokio::test]
async fn h130_a_scope_is_a_whole_word() {
    let need = Requirements::all(["list:users"]);
    for scope in ["list:users", "read:users list:users", "  list:users  x"] {
        assert!(is_enough(&need, json!({ "scope": scope })).await, "{scope}");
    }
    for scope in ["list:users2", "xlist:users", "list:user", "LIST:USERS", "list", "list:users,read:users", "list:users\tx", ""] {
        assert!(!is_enough(&need, json!({ "scope": scope })).await, "{scope}");
    }
    assert!(!is_enough(&Requirements::all(["read"]), json!({ "scope": "spread readonly" })).await);
    assert!(!is_enough(&need, json!({ "scope": null })).await);
}

#[tokio::test]
async fn h130_scopes_are_read_from_scope_scp_and_permissions_as_string_or_list() {
    let need = Requirements::all(["list:users"]);
    for claim in ["scope", "scp", "permissions"] {
        for value in [json!("list:users"), json!("a list:users b"), json!(["a", "list:users"])] {
            assert!(is_enough(&need, json!({ "scope": "", claim: value })).await, "{claim} {value}");
        }
        // An element of a list is one word.
        for value in [json!(["a list:users"]), json!(["list:usersx"]), json!([]), json!("nolist:users")] {
            assert!(!is_enough(&need, json!({ "scope": "", claim: value })).await, "{claim} {value}");
        }
    }
}

#[tokio::test]
async fn a_scope_claim_of_the_wrong_type_spoils_the_token() {
    let world = World::new().await;
    for claim in ["scope", "scp", "permissions"] {
        for value in [json!(5), json!(true), json!({ "list:users": true }), json!(["list:users", 5]), json!([null])] {
            assert_eq!(world.refusal(&world.token(&json!({ claim: value }))).await, ("CS-1202", 401), "{claim} {value}");
        }
    }
}

#[tokio::test]
async fn all_any_and_both() {
    let token = verified(json!({ "scope": "a b" })).await;
    let enough = |requirements: Requirements| requirements.check(&token).is_ok();
    assert!(enough(Requirements::none()));
    assert!(enough(Requirements::all(["a", "b"])));
    assert!(!enough(Requirements::all(["a", "c"])));
    assert!(enough(Requirements::any(["c", "b"])));
    assert!(!enough(Requirements::any(["c", "d"])));
    assert!(enough(Requirements::any(["c", "b"]).and_all(["a"])));
    assert!(!enough(Requirements::any(["c", "b"]).and_any(["d"])));
    assert!(!enough(Requirements::all(["a b"])), "a word with a space is no scope");
}

#[tokio::test]
async fn h130_an_empty_list_of_scopes_opens_nothing() {
    let token = verified(json!({})).await;
    for requirements in [Requirements::all([]), Requirements::any([]), Requirements::all(["list:users"]).and_all([])] {
        assert_eq!(requirements.check(&token).unwrap_err().code(), ErrorCode::InsufficientScope);
    }
}

#[tokio::test]
async fn h131_a_claim_value_is_compared_with_its_type() {
    let token = verified(json!({ "t": true, "n": 1, "s": "1", "list": ["gold"], "o": { "a": 1 } })).await;
    let has = |name: &str, value: Value| Requirements::none().claim(name, value).check(&token);
    for (name, value) in
        [("t", json!(true)), ("n", json!(1)), ("s", json!("1")), ("list", json!(["gold"])), ("o", json!({ "a": 1 }))]
    {
        assert!(has(name, value.clone()).is_ok(), "{name} {value}");
    }
    for (name, value) in [
        ("t", json!("true")),
        ("t", json!(1)),
        ("n", json!("1")),
        ("n", json!(true)),
        ("n", json!(1.0)),
        ("s", json!(1)),
        ("list", json!("gold")),
        ("list", json!([])),
        ("absent", json!(null)),
        ("absent", json!("x")),
        ("T", json!(true)),
    ] {
        assert_eq!(has(name, value.clone()).unwrap_err().code(), ErrorCode::ClaimMismatch, "{name} {value}");
    }
    // A claim that fails is not made up for by one that holds, in either order.
    assert!(Requirements::none().claim("list", json!(["gold"])).claim("tier", "gold").check(&token).is_err());
    assert!(Requirements::none().claim("tier", "gold").claim("list", json!(["gold"])).check(&token).is_err());
}

#[tokio::test]
async fn what_would_have_been_enough_is_named() {
    let token = verified(json!({ "scope": "x" })).await;
    let scope = |requirements: Requirements| requirements.check(&token).unwrap_err().scope().to_owned();
    assert_eq!(scope(Requirements::all(["a", "b"])), "a b");
    assert_eq!(scope(Requirements::any(["a", "b"]).and_all(["c", "a"])), "a c");
    assert_eq!(scope(Requirements::all([])), "");
    assert_eq!(scope(Requirements::all(["x"]).claim("tier", "gold")), "x");
}

scopes! {
    /// One.
    pub(crate) ListUsers = all("list:users");
    Admin = any("admin", "users:write");
}

#[tokio::test]
async fn scopes_can_be_named_as_types() {
    let token = verified(json!({ "scope": "users:write" })).await;
    assert!(Admin::requirements().check(&token).is_ok());
    assert!(ListUsers::requirements().check(&token).is_err());
    assert!(<()>::requirements().check(&token).is_ok());
}
