//! What the use-cases refuse: the field, the value, and what would be accepted.

use countersign::audit::Actor;
use countersign::authorization_servers::{self, NewAuthorizationServer};
use countersign::change::{ChangeError, InvalidField};
use countersign::clients::{self, NewClient, NewClientGrant};
use countersign::ids::AuthorizationServerId;
use countersign::resource_servers::{self, ScopeDefinition};
use countersign_protocol::jose::Algorithm;
use countersign_protocol::{Audience, ClientAuthMethod, ClientId, ScopeToken};

use super::ENGINE;
use crate::support::{API1, Fixture, TestApp, api, issuer_id, scope};

const NAME_FORM: &str = "1 to 200 characters without control characters";

fn invalid<T: std::fmt::Debug>(refused: Result<T, ChangeError>) -> InvalidField {
    match refused {
        Err(ChangeError::Invalid(invalid)) => invalid,
        other => panic!("{other:?}"),
    }
}

async fn rows(app: &TestApp) -> i64 {
    let mut sum = 0;
    for table in [
        "authorization_servers",
        "mounts",
        "signing_keys",
        "resource_servers",
        "clients",
        "credentials",
        "client_grants",
        "changes",
    ] {
        sum += app.database.count(&format!("SELECT count(*) FROM {table}")).await;
    }
    sum
}

#[tokio::test]
async fn names_and_labels_are_refused_with_control_characters_and_wrong_lengths() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let before = rows(&app).await;
    let long = "n".repeat(201);
    let cases = [
        ("", ""),
        ("a\0b", "a\\0b"),
        ("a\nb", "a\\nb"),
        ("\u{1b}[31m", "\\u{1b}[31m"),
        ("a\u{7f}", "a\\u{7f}"),
        ("a\u{85}b", "a\\u{85}b"),
        (&long, &long),
    ];
    for (name, shown) in cases {
        let server = NewAuthorizationServer {
            id: issuer_id("other"),
            name: name.to_owned(),
            signing_alg: Algorithm::ES256,
            status_lists: false,
            default_audience: None,
        };
        let mut resource_server = api("https://named.test", "s");
        resource_server.name = name.to_owned();
        let auth_method = ClientAuthMethod::ClientSecretBasic;
        let client =
            NewClient { id: None, name: name.to_owned(), auth_method, auth_method_enforced: false, ..NewClient::named("") };
        for (field, refused) in [
            ("name", invalid(authorization_servers::create(&app.app, &Actor::command_line(), server).await)),
            ("name", invalid(resource_servers::create(&app.app, &Actor::command_line(), resource_server).await)),
            ("name", invalid(clients::create(&app.app, &Actor::command_line(), client).await)),
            ("label", invalid(clients::create_secret(&app.app, &Actor::command_line(), &a.id, name).await)),
        ] {
            assert_eq!(refused, InvalidField::new(field, shown, NAME_FORM));
        }
    }
    assert_eq!(rows(&app).await, before);
}

#[tokio::test]
async fn names_of_any_script_are_kept_as_they_are() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    for name in ["n", &"\u{1f512}".repeat(200), "O'Brien \"x\" \\ %s $1 ?1 -- ;", "\u{202e}abc", "<script>"] {
        let auth_method = ClientAuthMethod::ClientSecretBasic;
        let new = NewClient { id: None, name: name.to_owned(), auth_method, auth_method_enforced: false, ..NewClient::named("") };
        let created = clients::create(&app.app, &Actor::command_line(), new).await.unwrap().client;
        app.app.resync().await.unwrap();
        assert_eq!(app.app.find_client(&created.id).await.unwrap().unwrap().name, name);
    }
}

#[tokio::test]
async fn a_grant_names_only_scopes_that_the_resource_server_defines() {
    let Fixture { app, b, .. } = Fixture::start(ENGINE).await;
    let third = app.resource_server(api("https://api3.test", "one two")).await;
    let before = rows(&app).await;
    for (asked, unknown) in [("admin:all", "admin:all"), ("one three", "three"), ("ONE", "ONE")] {
        let new = NewClientGrant {
            client_id: b.id.clone(),
            resource_server_id: third.id.clone(),
            scope: scope(asked),
            token_lifetime_seconds: None,
        };
        let refused = invalid(clients::grant(&app.app, &Actor::command_line(), new).await);
        assert_eq!(refused, InvalidField::new("scope", unknown, "scopes of https://api3.test: one two"));
        assert_eq!(refused.to_string(), format!("`scope` is `{unknown}`; accepted: scopes of https://api3.test: one two"));
    }
    assert_eq!(rows(&app).await, before);
}

#[tokio::test]
async fn the_scope_of_a_grant_fits_into_a_token() {
    let Fixture { app, b, .. } = Fixture::start(ENGINE).await;
    let scopes: Vec<String> = (0..9).map(|n| format!("{n}{}", "s".repeat(227))).collect();
    let third = app.resource_server(api("https://api3.test", &format!("{} t", scopes.join(" ")))).await;
    let new = |asked: &str| NewClientGrant {
        client_id: b.id.clone(),
        resource_server_id: third.id.clone(),
        scope: scope(asked),
        token_lifetime_seconds: None,
    };
    let all = scopes.join(" ");
    let refused = invalid(clients::grant(&app.app, &Actor::command_line(), new(&format!("{all} t"))).await);
    assert_eq!(refused, InvalidField::new("scope", "2062 characters", "at most 2048 characters"));
    clients::grant(&app.app, &Actor::command_line(), new(&scopes[..8].join(" "))).await.unwrap();
    assert_eq!(app.ask(&b, "audience=https://api3.test").await.token().claim("scope"), scopes[..8].join(" "));
}

#[tokio::test]
async fn a_resource_server_defines_each_scope_once_and_not_too_many() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let many: Vec<String> = (0..201).map(|n| format!("s{n}")).collect();
    let refused =
        invalid(resource_servers::create(&app.app, &Actor::command_line(), api("https://api3.test", &many.join(" "))).await);
    assert_eq!(refused, InvalidField::new("scopes", 201, "at most 200 scopes"));
    app.resource_server(api("https://api3.test", &many[..200].join(" "))).await;
    let refused = invalid(resource_servers::create(&app.app, &Actor::command_line(), api("https://api4.test", "a b a")).await);
    assert_eq!(refused, InvalidField::new("scopes", "a", "each scope once"));
}

#[tokio::test]
async fn scope_descriptions_survive_whatever_can_be_shown() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let describing = |description: &str| {
        let mut new = api("https://api3.test", "");
        new.scopes = vec![ScopeDefinition { scope: ScopeToken::try_from("s").unwrap(), description: description.to_owned() }];
        new
    };
    let accepted = "at most 500 characters without control characters";
    for refused in ["a\u{0}b", "a\u{1b}[2Jb", "a\nb", &"x".repeat(501)] {
        let found = invalid(resource_servers::create(&app.app, &Actor::command_line(), describing(refused)).await);
        assert_eq!(found, InvalidField::new("scopes.description", refused.escape_debug(), accepted));
    }
    let odd = "quotes \" ' \\ and \u{1f512}";
    let created = app.resource_server(describing(odd)).await;
    assert_eq!(app.app.catalog().resource_server(&created.id).unwrap().scopes[0].description, odd);
}

#[tokio::test]
async fn ids_and_audiences_that_could_mean_two_things_cannot_be_made() {
    let app = TestApp::start(ENGINE).await;
    for id in
        ["short", "has space", "a/b/c/d", "caf\u{e9}-1", "client\0a", "client%41", "client+a", "client:a", "", &"c".repeat(101)]
    {
        assert!(ClientId::try_from(id).is_err(), "{id}");
    }
    for id in ["v1", ".well-known", "Default", "a", "-a", "a/b", "a b", "", &"a".repeat(64)] {
        assert!(AuthorizationServerId::parse(id).is_none(), "{id}");
    }
    for audience in ["", "a b", "a\0b", "a\"b", "a\\b", "\u{e9}", &"a".repeat(513)] {
        assert!(Audience::try_from(audience).is_err(), "{audience}");
    }
    app.authorization_server("0-a_b", Algorithm::ES256, None).await;
    assert_eq!(app.get("/oauth2/0-a_b/v1/keys").send().await.status, 200);
    let longest = "c".repeat(100);
    let client = app.client(&longest).await;
    assert!(app.app.find_client(&client.id).await.unwrap().is_some());
    assert!(Audience::try_from(API1).is_ok());
}
