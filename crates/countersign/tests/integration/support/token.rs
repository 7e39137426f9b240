//! Access tokens as a resource server sees them.

use countersign_protocol::jose::{Claims, JwkSet, UnverifiedJws, base64url};
use serde_json::{Map, Value};

use super::{Answer, JSON, TestApp};

/// A token that an answer held.
pub(crate) struct AccessToken {
    pub(crate) text: String,
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
}

impl AccessToken {
    /// Whether the token verifies with a JWK Set; checks that the claims read strictly.
    pub(crate) fn verifies_with(&self, key_set: &[u8]) -> bool {
        let keys = JwkSet::parse(key_set).unwrap();
        let jws = UnverifiedJws::parse(&self.text).unwrap();
        let Some(key) = keys.find(jws.header().key_id.as_deref()) else { return false };
        jws.verify(key).is_ok_and(|payload| Claims::parse(&payload).unwrap().all == self.claims)
    }

    pub(crate) fn claim(&self, name: &str) -> &str {
        self.claims[name].as_str().unwrap_or_else(|| panic!("{name}: {:?}", self.claims))
    }

    pub(crate) fn time(&self, name: &str) -> i64 {
        self.claims[name].as_i64().unwrap()
    }

    pub(crate) fn alg(&self) -> &str {
        self.header["alg"].as_str().unwrap()
    }

    pub(crate) fn kid(&self) -> &str {
        self.header["kid"].as_str().unwrap()
    }
}

impl Answer {
    /// The token of a success (RFC 6749 section 5.1), with everything that holds
    /// for every success.
    pub(crate) fn token(&self) -> AccessToken {
        self.token_beside(&["access_token", "expires_in", "token_type"])
    }

    /// The token that an API key was exchanged for (RFC 8693 section 2.2.1).
    pub(crate) fn exchanged(&self) -> AccessToken {
        let token = self.token_beside(&["access_token", "expires_in", "issued_token_type", "token_type"]);
        assert_eq!(self.json()["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
        token
    }

    fn token_beside(&self, expected: &[&str]) -> AccessToken {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.header("content-type"), Some(JSON));
        assert_eq!(self.header("countersign-error"), None);
        assert_eq!(self.header("www-authenticate"), None);
        self.assert_private();
        let body = self.json();
        let members: Vec<&String> = body.as_object().unwrap().keys().filter(|name| *name != "scope").collect();
        assert_eq!(members, expected);
        assert_eq!(body["token_type"], "Bearer");
        let text = body["access_token"].as_str().unwrap().to_owned();
        let parts: Vec<&str> = text.split('.').collect();
        let part = |index: usize| serde_json::from_slice(&base64url::decode(parts[index]).unwrap()).unwrap();
        let token = AccessToken { header: part(0), claims: part(1), text };
        // The response and the token say the same.
        assert_eq!(body.get("scope"), token.claims.get("scope"));
        assert!(body["expires_in"].is_i64());
        token
    }
}

impl TestApp {
    /// The JWK Set at `path`.
    pub(crate) async fn key_set(&self, path: &str) -> Vec<u8> {
        let answer = self.get(path).send().await;
        assert_eq!(answer.status, 200);
        answer.body.to_vec()
    }
}
