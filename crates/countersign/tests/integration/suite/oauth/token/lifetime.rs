//! How long a token lives; catalogue C, 49.

use countersign::audit::Actor;
use countersign::change::ChangeError;
use countersign::clients::{self, NewClientGrant};
use countersign::resource_servers;

use super::ENGINE;
use crate::support::{Fixture, api, scope};

#[tokio::test]
async fn c49_the_grant_decides_then_the_resource_server_and_too_long_is_clamped() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let cases = [
        (600, None, 600),
        (3_600, None, 3_600),
        (3_600, Some(60), 60),
        (60, Some(7_200), 7_200),
        (86_401, None, 86_400),
        (i64::MAX, None, 86_400),
        (600, Some(i64::MAX), 86_400),
    ];
    for (number, (of_api, of_grant, expected)) in cases.into_iter().enumerate() {
        let mut new = api(&format!("https://life{number}.test"), "s");
        new.token_lifetime_seconds = of_api;
        let resource_server = app.resource_server(new).await;
        let client = app.client(&format!("client-{number}")).await;
        app.grant_for(&client, &resource_server, "s", of_grant).await;
        let answer = app.ask(&client, "").await;
        let token = answer.token();
        assert_eq!(answer.json()["expires_in"], expected);
        assert_eq!(token.time("exp") - token.time("iat"), expected);
    }
}

#[tokio::test]
async fn c49_zero_negative_and_too_short_lifetimes_are_refused() {
    let Fixture { app, b, .. } = Fixture::start(ENGINE).await;
    let granted = app.resource_server(api("https://api3.test", "s")).await;
    for seconds in [59, 0, -1, i64::MIN] {
        let mut new = api("https://life.test", "s");
        new.token_lifetime_seconds = seconds;
        let new_grant = NewClientGrant {
            client_id: b.id.clone(),
            resource_server_id: granted.id.clone(),
            scope: scope("s"),
            token_lifetime_seconds: Some(seconds),
        };
        let refusals = [
            resource_servers::create(&app.app, &Actor::command_line(), new).await.unwrap_err(),
            clients::grant(&app.app, &Actor::command_line(), new_grant).await.unwrap_err(),
        ];
        for refusal in refusals {
            let ChangeError::Invalid(invalid) = refusal else { panic!("{refusal}") };
            assert_eq!((invalid.field, invalid.value), ("token_lifetime_seconds", seconds.to_string()));
            assert_eq!(invalid.accepted, "60 to 86400 seconds; more is clamped to 86400");
        }
    }
    assert_eq!(app.database.count("SELECT count(*) FROM resource_servers WHERE audience = 'https://life.test'").await, 0);
}
