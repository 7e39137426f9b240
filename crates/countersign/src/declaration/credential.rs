//! The public keys of a client, which are no secrets.

use countersign_protocol::Timestamp;
use countersign_protocol::jose::RegisteredKeys;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::log::{parse_rfc3339, rfc3339};

/// A credential of a client: its public keys, or where they are. There is none for a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// For people.
    pub label: String,
    /// Where the client's owner keeps the keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Not accepted before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Moment>,
    /// Not accepted from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Moment>,
    /// The keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Jwks>,
}

impl Credential {
    /// What it is, as the API says it; `None` unless it has keys or their URL, and not both.
    pub(super) const fn kind(&self) -> Option<&'static str> {
        match (&self.jwks, &self.jwks_uri) {
            (Some(_), None) => Some("jwks"),
            (None, Some(_)) => Some("jwks_uri"),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }

    /// What a plan calls it.
    pub(super) fn title(&self, client_id: &str) -> String {
        let source = match (&self.jwks, &self.jwks_uri) {
            (Some(jwks), _) => jwks.title(),
            (None, uri) => uri.clone().unwrap_or_default(),
        };
        format!("{client_id} -> {} ({source})", self.label)
    }

    pub(super) fn has_keys_of(&self, other: &Self) -> bool {
        self.jwks == other.jwks && self.jwks_uri == other.jwks_uri
    }
}

/// Public keys: the members that count, in an order that does not depend on the file's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Jwks {
    keys: Vec<Value>,
}

impl TryFrom<Value> for Jwks {
    type Error = String;

    /// A JWK Set (RFC 7517 section 5): an object, or its JSON as a text. Nothing of it is quoted.
    fn try_from(set: Value) -> Result<Self, String> {
        let document = match set {
            Value::String(text) => text,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => set.to_string(),
        };
        let refused = |error| format!("`jwks` has public keys only: {error}");
        let parsed = RegisteredKeys::parse(document.as_bytes()).map_err(refused)?;
        let mut kept: Value = serde_json::from_str(parsed.document()).map_err(|error| error.to_string())?;
        let Some(Value::Array(mut keys)) = kept.get_mut("keys").map(Value::take) else {
            return Err("`jwks` has no keys".to_owned());
        };
        keys.sort_by_key(Value::to_string);
        Ok(Self { keys })
    }
}

impl Jwks {
    fn title(&self) -> String {
        let name = |key: &Value| key.get("kid").and_then(Value::as_str).map_or_else(|| "without a kid".to_owned(), str::to_owned);
        let names: Vec<String> = self.keys.iter().map(name).collect();
        let noun = if names.len() == 1 { "key" } else { "keys" };
        format!("{noun} {}", names.join(", "))
    }
}

/// An instant, to the millisecond. The file says it as a text or as a time of TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Moment(Timestamp);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a time as 2027-01-31T12:00:00Z")]
enum Written {
    Native(toml::value::Datetime),
    Text(String),
}

impl TryFrom<Written> for Moment {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let text = match written {
            Written::Native(time) => time.to_string(),
            Written::Text(text) => text,
        };
        Self::parse(&text).ok_or_else(|| "not a time as 2027-01-31T12:00:00Z".to_owned())
    }
}

impl Moment {
    pub(super) fn parse(text: &str) -> Option<Self> {
        parse_rfc3339(text).map(Self)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rfc3339(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_protocol::jose::{Algorithm, SigningKey};
    use serde_json::json;

    fn jwk(kid: &str) -> Value {
        let key = SigningKey::from_pkcs8(Algorithm::ES256, &SigningKey::generate(Algorithm::ES256).unwrap()).unwrap();
        serde_json::to_value(key.public_jwk(kid)).unwrap()
    }

    #[test]
    fn a_set_is_the_same_in_every_way_of_writing_it() {
        let (a, b) = (jwk("a"), jwk("b"));
        let set = Jwks::try_from(json!({ "keys": [a, b] })).unwrap();
        let mut bare = a.clone();
        bare.as_object_mut().unwrap().remove("alg");
        bare["x5u"] = json!("https://x.test");
        assert_eq!(Jwks::try_from(json!({ "keys": [b, bare] })).unwrap(), set);
        assert_eq!(Jwks::try_from(Value::String(json!({ "keys": [b, a] }).to_string())).unwrap(), set);
        assert_eq!(set.title(), "keys a, b");
        assert_ne!(Jwks::try_from(json!({ "keys": [a] })).unwrap(), set);
    }

    #[test]
    fn times_are_texts_or_those_of_toml() {
        let read =
            |time: &str| toml::from_str::<Credential>(&format!("label = 'x'\nexpires_at = {time}")).map(|read| read.expires_at);
        let noon = Moment::parse("2027-01-31T12:00:00Z");
        for same in ["2027-01-31T12:00:00Z", "'2027-01-31T12:00:00.000Z'", "2027-01-31T13:00:00+01:00"] {
            assert_eq!(read(same).unwrap(), noon, "{same}");
        }
        assert!(noon.is_some());
        for bad in ["2027-01-31", "2027-01-31T12:00:00", "'tomorrow'", "5"] {
            assert!(read(bad).unwrap_err().message().contains("2027-01-31T12:00:00Z"), "{bad}");
        }
    }
}
