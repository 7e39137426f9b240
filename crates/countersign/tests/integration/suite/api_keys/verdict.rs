//! What is said of a key that is presented.

use std::net::IpAddr;

use countersign::api_keys::{self, ApiKeyPatch, KeyAudience, PermissionExpression, Verdict, VerdictCode, VerifyRequest};
use countersign::clients;
use countersign::config::Network;
use countersign::ids::ResourceServerId;
use countersign_protocol::{Clock as _, CredentialText};

use super::{BY, ENGINE, code, create, new_key, permissions, presented, same, started, text_of, verdict};
use crate::support::{API1, API2, Fixture, TestApp};

async fn asked(app: &TestApp, text: &str, ask: impl FnOnce(VerifyRequest) -> VerifyRequest) -> Verdict {
    api_keys::verify(&app.app, ask(presented(text))).await.unwrap()
}

#[tokio::test]
async fn j153_a_valid_key_tells_whose_it_is_and_what_it_may() {
    let (app, a, created) = started().await;
    let found = verdict(&app, &text_of(&created)).await;
    assert!(found.is_valid() && same(&found, &created.key), "{found:?}");
    assert_eq!(found.key.unwrap().client_id, a.id);
    assert_eq!(found.secret_id.as_deref(), Some(created.text.id()));
    assert_eq!(found.permissions, permissions("list:users read:x"));
}

#[tokio::test]
async fn j153_text_that_is_no_key_costs_no_lookup() {
    let (app, _, created) = started().await;
    let text = text_of(&created);
    let before = app.app.store.statements_run();
    let mut typo = text.clone();
    typo.replace_range(20..21, if &text[20..21] == "a" { "b" } else { "a" });
    let swapped_case: String =
        text.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect();
    for wrong in ["", " ", "acme_live_", &typo, &swapped_case, &format!(" {text}"), &format!("{text}\n"), &text[5..], "hunter2"] {
        assert_eq!(code(&app, wrong).await, VerdictCode::NotFound, "{wrong:?}");
    }
    assert_eq!(app.app.store.statements_run(), before);
}

#[tokio::test]
async fn j153_a_wrong_secret_of_a_known_id_is_not_found_and_tells_nothing() {
    let (app, _, created) = started().await;
    let forged = forge(&text_of(&created), |text| format!("{}{}", &text[..text.len() - 10], "0000"));
    assert!(CredentialText::parse(&forged).is_ok(), "the checksum is right");
    let found = verdict(&app, &forged).await;
    assert_eq!((found.code, found.key.is_none(), found.secret_id), (VerdictCode::NotFound, true, None));
    let other_prefix = forge(&text_of(&created), |text| format!("other{}", &text["acme_live".len()..text.len() - 6]));
    assert_eq!(code(&app, &other_prefix).await, VerdictCode::NotFound);
}

/// A key with a right checksum whose text before that is made by `change`.
fn forge(text: &str, change: impl FnOnce(&str) -> String) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let body = change(text);
    let mut number = crc32(body.as_bytes());
    let mut sum = [b'0'; 6];
    for digit in sum.iter_mut().rev() {
        *digit = ALPHABET[usize::try_from(number % 62).unwrap()];
        number /= 62;
    }
    format!("{body}{}", std::str::from_utf8(&sum).unwrap())
}

/// CRC-32 of IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg()))
    })
}

#[tokio::test]
async fn j159_bad_secrets_lock_nobody_out() {
    let (app, _, created) = started().await;
    for round in 0..40 {
        let forged = forge(&text_of(&created), |text| format!("{}{round:04}", &text[..text.len() - 10]));
        assert_eq!(code(&app, &forged).await, VerdictCode::NotFound);
    }
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::Valid);
}

#[tokio::test]
async fn a_key_ends_at_its_end() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let end = app.clock.now().plus_seconds(60);
    let new = api_keys::NewApiKey { expires_at: Some(end), ..new_key(&app, &a) };
    let created = api_keys::create(&app.app, &BY, new).await.unwrap();
    app.clock.advance_millis(59_999);
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::Valid);
    app.clock.advance_millis(1);
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::Expired);
    let later = ApiKeyPatch { expires_at: Some(None), ..ApiKeyPatch::default() };
    api_keys::update(&app.app, &BY, &created.key.id, later, None).await.unwrap();
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::Valid);
}

#[tokio::test]
async fn a_key_shares_the_fate_of_its_client() {
    let (app, a, created) = started().await;
    clients::disable(&app.app, &BY, &a.id).await.unwrap();
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::Disabled);
    clients::enable(&app.app, &BY, &a.id).await.unwrap();
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::Valid);
    clients::delete(&app.app, &BY, &a.id, None).await.unwrap();
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::NotFound);
    // A later client of the same id has nothing of it.
    app.client("client-a").await;
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::NotFound);
    assert_eq!(app.database.count("SELECT count(*) FROM api_key_secrets").await, 0);
}

#[tokio::test]
async fn a_key_is_for_one_resource_server() {
    let (app, _, created) = started().await;
    let text = text_of(&created);
    for (audience, wanted) in [
        (KeyAudience::Audience(API1.to_owned()), VerdictCode::Valid),
        (KeyAudience::Audience(API2.to_owned()), VerdictCode::Forbidden),
        (KeyAudience::Audience(String::new()), VerdictCode::Forbidden),
        (KeyAudience::ResourceServer(created.key.resource_server_id.clone()), VerdictCode::Valid),
        (KeyAudience::ResourceServer(ResourceServerId::from_stored("rs_other")), VerdictCode::Forbidden),
    ] {
        let found = asked(&app, &text, |request| VerifyRequest { resource_server: Some(audience.clone()), ..request }).await;
        assert_eq!(found.code, wanted, "{audience:?}");
    }
}

#[tokio::test]
async fn a_key_is_accepted_from_its_networks_alone() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let networks = ["192.0.2.0/24", "2001:db8::/32"].map(|text| Network::from_text(text).unwrap());
    let new = api_keys::NewApiKey { allowed_networks: networks.to_vec(), ..new_key(&app, &a) };
    let created = api_keys::create(&app.app, &BY, new).await.unwrap();
    let text = text_of(&created);
    for (address, wanted) in [
        (Some("192.0.2.7"), VerdictCode::Valid),
        (Some("::ffff:192.0.2.7"), VerdictCode::Valid),
        (Some("2001:db8:1::1"), VerdictCode::Valid),
        (Some("192.0.3.7"), VerdictCode::Forbidden),
        (Some("2001:db9::1"), VerdictCode::Forbidden),
        (None, VerdictCode::Forbidden),
    ] {
        let address = address.map(|text| text.parse::<IpAddr>().unwrap());
        let found = asked(&app, &text, |request| VerifyRequest { address, ..request }).await;
        assert_eq!(found.code, wanted, "{address:?}");
    }
}

#[tokio::test]
async fn j160_permissions_are_compared_whole() {
    let (app, _, created) = started().await;
    let text = text_of(&created);
    for (expression, wanted) in [
        ("list:users", VerdictCode::Valid),
        ("list:users AND read:x", VerdictCode::Valid),
        ("write:y OR read:x", VerdictCode::Valid),
        ("list:users AND (write:y OR read:z)", VerdictCode::InsufficientPermissions),
        ("list:user", VerdictCode::InsufficientPermissions),
        ("list:users2", VerdictCode::InsufficientPermissions),
        ("LIST:users", VerdictCode::InsufficientPermissions),
        ("list", VerdictCode::InsufficientPermissions),
    ] {
        let expression = PermissionExpression::parse(expression).unwrap();
        let shown = format!("{expression:?}");
        let found = asked(&app, &text, |request| VerifyRequest { permissions: Some(expression), ..request }).await;
        assert_eq!(found.code, wanted, "{shown}");
    }
}

#[tokio::test]
async fn what_is_more_lasting_is_said_first() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let new = api_keys::NewApiKey { expires_at: Some(app.clock.now().plus_seconds(1)), ..new_key(&app, &a) };
    let created = api_keys::create(&app.app, &BY, new).await.unwrap();
    app.clock.advance_millis(1_000);
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::Expired);
    api_keys::disable(&app.app, &BY, &created.key.id).await.unwrap();
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::Disabled);
    clients::disable(&app.app, &BY, &a.id).await.unwrap();
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::Disabled);
    api_keys::revoke(&app.app, &BY, &created.key.id).await.unwrap();
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::Revoked);
    let other = create(&app, &a).await;
    assert_eq!(code(&app, &text_of(&other)).await, VerdictCode::Disabled);
}
