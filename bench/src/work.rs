//! The unavoidable work of each job: read the form, hash the secret, sign or verify,
//! seal or open, write the answer.

use std::collections::HashMap;
use std::sync::Mutex;

use anyhow::Context as _;
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_protocol::{CredentialText, Parameters};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::keys::{Algorithm, Keys};
use crate::sealer::Sealer;

/// As many characters as a client secret has.
const SECRET: &str = "csec_0123456789ab0123456789012345678901234567890123456789012abcdef";

/// What the server works with.
pub(crate) struct Work {
    keys: Keys,
    sealer: Sealer,
    hash_key: hmac::Key,
    secret_hash: hmac::Tag,
    key: CredentialText,
    /// By the id in the key's text.
    key_hashes: HashMap<String, hmac::Tag>,
    /// The answers about tokens that were asked about before.
    known: Mutex<HashMap<String, String>>,
}

impl Work {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let hash_key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let secret_hash = hmac::sign(&hash_key, SECRET.as_bytes());
        let key = CredentialText::generate("live", [1; 9], [2; 32]);
        let key_hashes = HashMap::from([(key.id().to_owned(), hmac::sign(&hash_key, key.expose().as_bytes()))]);
        Ok(Self {
            keys: Keys::generate()?,
            sealer: Sealer::new()?,
            hash_key,
            secret_hash,
            key,
            key_hashes,
            known: Mutex::default(),
        })
    }

    /// A token to introspect.
    pub(crate) fn token(&self) -> anyhow::Result<String> {
        self.make_token(Algorithm::Es256).context("no token can be made")
    }

    /// An opaque one.
    pub(crate) fn opaque_token(&self) -> anyhow::Result<String> {
        self.seal_token().context("no token can be sealed")
    }

    /// An API key to verify.
    pub(crate) fn api_key(&self) -> &str {
        self.key.expose()
    }

    /// The answer to a form at a path; `None`: it is refused.
    pub(crate) fn answer(&self, path: &str, form: &[u8]) -> Option<String> {
        let form = Parameters::from_form(form).ok()?;
        let secret = form.find("client_secret")?;
        hmac::verify(&self.hash_key, secret.as_bytes(), self.secret_hash.as_ref()).ok()?;
        match path {
            "/token/rs256" => self.issue(Algorithm::Rs256),
            "/token/es256" => self.issue(Algorithm::Es256),
            "/token/eddsa" => self.issue(Algorithm::EdDsa),
            "/token/opaque" => Some(response(&self.seal_token()?)),
            "/introspect" => self.remembered(form.find("token")?, |token| self.introspect(token)),
            "/introspect/opaque" => self.remembered(form.find("token")?, |token| describe(&self.sealer.open(token)?)),
            _ => None,
        }
    }

    /// The answer of an API to a request with a token; `None`: it is refused.
    pub(crate) fn users(&self, token: &str) -> Option<String> {
        self.remembered(token, |token| {
            self.introspect(token)?;
            Some(
                r#"{"users":[{"id":"1","name":"Ada Lovelace"},{"id":"2","name":"Alan Turing"}],"called_by":"demo-client"}"#
                    .to_owned(),
            )
        })
    }

    /// The verdict on an API key that the holder of a token asks about; `None`: it is refused.
    pub(crate) fn verify_key(&self, token: &str, question: &[u8]) -> Option<String> {
        self.remembered(token, |token| self.introspect(token))?;
        let question: Question<'_> = serde_json::from_slice(question).ok()?;
        let text = CredentialText::parse(question.key).ok()?;
        hmac::verify(&self.hash_key, question.key.as_bytes(), self.key_hashes.get(text.id())?.as_ref()).ok()?;
        Some(verdict(text.id()))
    }

    fn remembered(&self, token: &str, find_out: impl FnOnce(&str) -> Option<String>) -> Option<String> {
        let mut known = self.known.lock().ok()?;
        if let Some(answer) = known.get(token) {
            return Some(answer.clone());
        }
        let answer = find_out(token)?;
        known.insert(token.to_owned(), answer.clone());
        Some(answer)
    }

    fn issue(&self, algorithm: Algorithm) -> Option<String> {
        Some(response(&self.make_token(algorithm)?))
    }

    fn seal_token(&self) -> Option<String> {
        self.sealer.seal(claims()?)
    }

    fn make_token(&self, algorithm: Algorithm) -> Option<String> {
        let header = format!(r#"{{"alg":"{}","kid":"sk_01mcc5rmqefqpaxn197mkhbvqb","typ":"at+jwt"}}"#, algorithm.as_str());
        let mut token = String::with_capacity(1_024);
        URL_SAFE_NO_PAD.encode_string(header, &mut token);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims()?, &mut token);
        let signature = self.keys.sign(algorithm, token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }

    fn introspect(&self, token: &str) -> Option<String> {
        let (message, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if !self.keys.verifies(message.as_bytes(), &signature) {
            return None;
        }
        describe(&URL_SAFE_NO_PAD.decode(message.split_once('.')?.1).ok()?)
    }
}

/// What is asked about an API key.
#[derive(Deserialize)]
struct Question<'a> {
    key: &'a str,
}

fn verdict(secret_id: &str) -> String {
    format!(
        r#"{{"valid":true,"code":"VALID","key_id":"key_01mcc5rmqefqpaxn197mkhbvqb","secret_id":"{secret_id}","client_id":"demo-client","resource_server_id":"rs_01mcc5rmqefqpaxn197mkhbvqb","audience":"http://api.localhost","name":"bench","external_id":null,"metadata":{{}},"permissions":["orders.read"],"roles":[],"expires_at":null}}"#
    )
}

fn claims() -> Option<String> {
    let mut id = [0; 16];
    rand::fill(&mut id).ok()?;
    Some(format!(
        r#"{{"iss":"http://localhost:8787/","sub":"demo-client","aud":"http://api.localhost","client_id":"demo-client","cred":"cred_01mcc5rmqefqpaxn197mkhbvqb","iat":1800000000,"exp":1800000600,"jti":"{}","scope":"list:users"}}"#,
        URL_SAFE_NO_PAD.encode(id)
    ))
}

fn response(token: &str) -> String {
    format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":600,"scope":"list:users"}}"#)
}

/// The answer to an introspection of a good token.
fn describe(claims: &[u8]) -> Option<String> {
    let mut claims: Value = serde_json::from_slice(claims).ok()?;
    let members = claims.as_object_mut()?;
    members.insert("active".to_owned(), json!(true));
    members.insert("token_type".to_owned(), json!("Bearer"));
    Some(claims.to_string())
}
