//! Roles.

use countersign::api_keys::roles::{self, NewRole, RolePatch};
use countersign::api_keys::{self, ApiKeyPatch, NewApiKey};
use countersign::change::ChangeError;
use countersign::store::Page;

use super::{BY, ENGINE, new_key, permissions, text_of, verdict};
use crate::support::{Fixture, TestApp};

async fn role(app: &TestApp, name: &str, gives: &str) {
    let new = NewRole { name: name.to_owned(), description: String::new(), permissions: permissions(gives) };
    roles::create(&app.app, &BY, new).await.unwrap();
}

#[tokio::test]
async fn a_key_may_do_what_its_roles_give_at_once() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    role(&app, "reader", "read:x read:y").await;
    let new = NewApiKey { roles: vec!["reader".to_owned()], permissions: permissions("read:x"), ..new_key(&app, &a) };
    let created = api_keys::create(&app.app, &BY, new).await.unwrap();
    assert_eq!(verdict(&app, &text_of(&created)).await.permissions, permissions("read:x read:y"));
    let patch = RolePatch { permissions: Some(permissions("write:y")), ..RolePatch::default() };
    let updated = roles::update(&app.app, &BY, "reader", patch, Some(1)).await.unwrap();
    assert_eq!((updated.version, roles::find(&app.app, "reader").await.unwrap()), (2, updated));
    assert_eq!(verdict(&app, &text_of(&created)).await.permissions, permissions("read:x write:y"));
}

#[tokio::test]
async fn a_role_that_keys_have_stays() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for name in ["reader", "read_r"] {
        role(&app, name, "read:x").await;
    }
    let new = NewApiKey { roles: vec!["reader".to_owned()], ..new_key(&app, &a) };
    let created = api_keys::create(&app.app, &BY, new).await.unwrap();
    // `_` is no wildcard here.
    roles::delete(&app.app, &BY, "read_r", None).await.unwrap();
    let refused = roles::delete(&app.app, &BY, "reader", None).await;
    assert!(matches!(refused, Err(ChangeError::State(_))), "{refused:?}");
    let patch = ApiKeyPatch { roles: Some(Vec::new()), ..ApiKeyPatch::default() };
    api_keys::update(&app.app, &BY, &created.key.id, patch, None).await.unwrap();
    roles::delete(&app.app, &BY, "reader", None).await.unwrap();
    assert!(matches!(roles::find(&app.app, "reader").await, Err(ChangeError::NotFound { .. })));
}

#[tokio::test]
async fn names_are_unique_and_lists_in_order() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    for name in ["b", "a"] {
        role(&app, name, "x").await;
        app.clock.advance_millis(1);
    }
    let twice = NewRole { name: "a".to_owned(), description: String::new(), permissions: Vec::new() };
    assert!(matches!(roles::create(&app.app, &BY, twice).await, Err(ChangeError::AlreadyExists { .. })));
    for name in ["", "a b", "caf\u{e9}", "a*", "a\""] {
        let new = NewRole { name: name.to_owned(), description: String::new(), permissions: Vec::new() };
        assert!(matches!(roles::create(&app.app, &BY, new).await, Err(ChangeError::Invalid(_))), "{name}");
    }
    let listed = roles::list(&app.app, Page::first(9)).await.unwrap();
    assert_eq!(listed.iter().map(|role| role.name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
}
