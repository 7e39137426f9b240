//! The way from an issuer to its keys.

use std::sync::Arc;

use countersign_verify::{Algorithm, BuildError, ManualClock, Timestamp, Verifier};
use serde_json::json;

use crate::support::{
    AUDIENCE, Documents, FakeIssuer, ISSUER, KEYS_URL, METADATA_URL, Mood, NOT_JUDGED, NOW, builder, key_set, new_key, refusal,
    token_of,
};

struct Discovering {
    clock: Arc<ManualClock>,
    issuer: FakeIssuer,
    verifier: Verifier,
    token: String,
}

fn discovering() -> Discovering {
    let key = new_key(Algorithm::EdDSA);
    let issuer = FakeIssuer::new(key_set(&[("k1", &key)]));
    let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(NOW)));
    let verifier = builder(&issuer, &clock).build().unwrap();
    Discovering { clock, issuer, verifier, token: token_of(&key, "k1", &json!({ "exp": NOW + 9_999 })) }
}

#[tokio::test]
async fn the_metadata_names_the_keys_and_is_asked_once() {
    let Discovering { clock, issuer, verifier, token } = discovering();
    verifier.verify_token(&token).await.unwrap();
    clock.advance_seconds(600);
    verifier.verify_token(&token).await.unwrap();
    assert_eq!((issuer.asked(METADATA_URL), issuer.asked(KEYS_URL)), (1, 2));
}

#[tokio::test]
async fn metadata_of_another_issuer_is_not_believed() {
    for other in
        ["https://as.test", "https://as.test/oauth2/default/", "https://AS.test/oauth2/default", "http://as.test/oauth2/default"]
    {
        let Discovering { issuer, verifier, token, .. } = discovering();
        issuer.metadata(json!({ "issuer": other, "jwks_uri": KEYS_URL }).to_string());
        assert_eq!(refusal(verifier.verify_token(&token).await), NOT_JUDGED, "{other}");
        assert_eq!(issuer.asked(KEYS_URL), 0, "{other}");
    }
}

#[tokio::test]
async fn metadata_that_is_malformed_or_leads_to_plain_http_is_not_followed() {
    for metadata in [
        "<html>".to_owned(),
        json!({ "issuer": ISSUER }).to_string(),
        json!({ "jwks_uri": KEYS_URL }).to_string(),
        json!({ "issuer": ISSUER, "jwks_uri": 5 }).to_string(),
        json!({ "issuer": ISSUER, "jwks_uri": "http://as.test/oauth2/default/v1/keys" }).to_string(),
        json!({ "issuer": ISSUER, "jwks_uri": "http://127.0.0.1/keys" }).to_string(),
        json!({ "issuer": ISSUER, "jwks_uri": "file:///etc/passwd" }).to_string(),
        format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"{KEYS_URL}","jwks_uri":"{KEYS_URL}"}}"#),
    ] {
        let Discovering { issuer, verifier, token, .. } = discovering();
        issuer.metadata(metadata.clone());
        assert_eq!(refusal(verifier.verify_token(&token).await), NOT_JUDGED, "{metadata}");
        assert_eq!(issuer.asked(METADATA_URL), 1, "{metadata}");
        assert_eq!(issuer.asked("http://127.0.0.1/keys") + issuer.asked(KEYS_URL), 0, "{metadata}");
    }
}

/// The document of RFC 8414 section 3.1.
const INSERTED_URL: &str = "https://as.test/.well-known/oauth-authorization-server/oauth2/default";

#[tokio::test]
async fn without_openid_metadata_that_of_rfc_8414_is_asked() {
    let key = new_key(Algorithm::EdDSA);
    let token = token_of(&key, "k1", &json!({}));
    let verifier = |documents: &Documents| {
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(NOW)));
        Verifier::builder(ISSUER, AUDIENCE).clock(clock).fetch(documents.clone()).build().unwrap()
    };
    let own = json!({ "issuer": ISSUER, "jwks_uri": KEYS_URL }).to_string();
    let documents = Documents::default();
    documents.put(INSERTED_URL, own.clone()).put(KEYS_URL, key_set(&[("k1", &key)]));
    verifier(&documents).verify_token(&token).await.unwrap();
    assert_eq!(documents.asked(), [METADATA_URL, INSERTED_URL, KEYS_URL]);

    // It too must be this issuer's, and a server in error is no reason to look elsewhere.
    let foreign = Documents::default();
    let other = json!({ "issuer": "https://as.test", "jwks_uri": KEYS_URL }).to_string();
    foreign.put(INSERTED_URL, other).put(KEYS_URL, key_set(&[("k1", &key)]));
    assert_eq!(refusal(verifier(&foreign).verify_token(&token).await), NOT_JUDGED);
    assert_eq!(foreign.asked(), [METADATA_URL, INSERTED_URL]);
    let broken = Documents::default();
    broken.put(INSERTED_URL, own).break_off(METADATA_URL);
    assert_eq!(refusal(verifier(&broken).verify_token(&token).await), NOT_JUDGED);
    assert_eq!(broken.asked(), [METADATA_URL]);
}

#[tokio::test]
async fn after_a_failure_the_metadata_is_asked_again() {
    let Discovering { clock, issuer, verifier, token } = discovering();
    verifier.verify_token(&token).await.unwrap();
    issuer.mood(Mood::Down);
    clock.advance_seconds(600);
    verifier.verify_token(&token).await.unwrap();
    issuer.mood(Mood::Up);
    issuer.metadata(json!({ "issuer": ISSUER, "jwks_uri": "https://keys.test/moved" }).to_string());
    clock.advance_seconds(600);
    verifier.verify_token(&token).await.unwrap();
    assert_eq!((issuer.asked(METADATA_URL), issuer.asked(KEYS_URL), issuer.asked("https://keys.test/moved")), (2, 2, 1));
}

#[test]
fn settings_that_make_no_sense_are_errors_of_build() {
    let issuer = FakeIssuer::new(String::new());
    let build = |iss: &str, aud: &str| Verifier::builder(iss, aud).fetch(issuer.clone()).build();
    for iss in ["", "as.test", "https://as.test?x"] {
        assert!(matches!(build(iss, "a"), Err(BuildError::Issuer(_))), "{iss}");
    }
    for aud in ["", "a b", "a\"b"] {
        assert!(matches!(build(ISSUER, aud), Err(BuildError::Audience(_))), "{aud}");
    }
    let builder = || Verifier::builder(ISSUER, "a").fetch(issuer.clone());
    assert!(matches!(builder().leeway_seconds(61).build(), Err(BuildError::Leeway)));
    assert!(matches!(builder().algorithms([]).build(), Err(BuildError::Algorithms)));
    let error = build("as.test", "a").unwrap_err().to_string();
    assert_eq!(error, "issuer: an issuer is an absolute http(s) URL without query, fragment or white space");
    assert!(builder().leeway_seconds(60).build().is_ok());
}

#[cfg(feature = "http")]
#[test]
fn plain_http_beyond_the_loopback_is_an_error_of_build() {
    let remote = || Verifier::builder("http://as.test", "a");
    assert!(matches!(remote().build(), Err(BuildError::Http(countersign_verify::HttpError::PlainHttp))));
    assert!(remote().dangerously_allow_plain_http().build().is_ok());
    assert!(remote().jwks_uri("https://as.test/keys").build().is_ok());
    assert!(Verifier::builder("http://localhost:8787/oauth2/default", "a").build().is_ok());
    assert!(Verifier::builder("https://as.test", "a").jwks_uri("http://as.test/keys").build().is_err());
}

#[cfg(not(feature = "http"))]
#[test]
fn without_the_http_feature_a_way_to_fetch_must_be_given() {
    assert!(matches!(Verifier::builder(ISSUER, "a").build(), Err(BuildError::Fetch)));
}
