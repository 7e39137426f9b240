//! Where the status of a token stands (Token Status List section 6.2).

use serde_json::{Map, Value};

use crate::jose::ClaimsError;

/// The claim `status.status_list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReference {
    /// The place in the list.
    pub index: u64,
    /// The URL of the list.
    pub uri: String,
}

impl StatusReference {
    /// Reads the claim `status` of a verified token; `None`: it has none.
    ///
    /// # Errors
    /// [`ClaimsError::Claim`] when it names no list: its status cannot be found out.
    pub fn of_claims(claims: &Map<String, Value>) -> Result<Option<Self>, ClaimsError> {
        let Some(status) = claims.get("status") else { return Ok(None) };
        let list = status.get("status_list").ok_or(ClaimsError::Claim("status"))?;
        let index = list.get("idx").and_then(Value::as_u64);
        let uri = list.get("uri").and_then(Value::as_str);
        index.zip(uri).map(|(index, uri)| Some(Self { index, uri: uri.to_owned() })).ok_or(ClaimsError::Claim("status"))
    }

    /// The last segment of the URL: what the list is called at its server.
    pub fn list_id(&self) -> &str {
        self.uri.rsplit_once('/').map_or("", |(_, id)| id)
    }

    /// The `jti` of a token: no two have the same place in the same list.
    pub fn token_id(list_id: &str, index: u64) -> String {
        format!("{list_id}.{index}")
    }

    /// List and place, if `token_id` is one that [`StatusReference::token_id`] made.
    pub fn parse_token_id(token_id: &str) -> Option<(&str, u64)> {
        let (list_id, index) = token_id.split_once('.')?;
        let number: u64 = index.parse().ok()?;
        // One text for each place: no leading zero, no sign.
        let is_canonical = !list_id.is_empty() && number.to_string() == index;
        is_canonical.then_some((list_id, number))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(claims: &Value) -> Result<Option<StatusReference>, ClaimsError> {
        StatusReference::of_claims(claims.as_object().unwrap())
    }

    #[test]
    fn a_status_that_names_no_list_is_refused_rather_than_ignored() {
        assert_eq!(of(&json!({})), Ok(None));
        let good = json!({ "status": { "status_list": { "idx": 5, "uri": "https://a.test/status/3f" } } });
        let reference = of(&good).unwrap().unwrap();
        assert_eq!((reference.index, reference.list_id()), (5, "3f"));
        for status in [
            json!(null),
            json!("x"),
            json!({}),
            json!({ "status_list": null }),
            json!({ "status_list": { "idx": 5 } }),
            json!({ "status_list": { "uri": "https://a.test" } }),
            json!({ "status_list": { "idx": -1, "uri": "https://a.test" } }),
            json!({ "status_list": { "idx": "5", "uri": "https://a.test" } }),
            json!({ "status_list": { "idx": 5.5, "uri": "https://a.test" } }),
        ] {
            assert_eq!(of(&json!({ "status": status })), Err(ClaimsError::Claim("status")), "{status}");
        }
    }

    #[test]
    fn a_token_id_names_one_place() {
        assert_eq!(StatusReference::parse_token_id(&StatusReference::token_id("3f", 721_425)), Some(("3f", 721_425)));
        for other in ["", "3f", "3f.", ".5", "3f.05", "3f.+5", "3f.5.6", "3f.-1", "Vq3vT8bS1l0Q", "3f.18446744073709551616"] {
            assert_eq!(StatusReference::parse_token_id(other), None, "{other}");
        }
    }
}
